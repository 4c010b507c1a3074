// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CircuitKey} from "../src/CircuitKey.sol";
import {Checkpoint} from "../src/Types.sol";
import {ProofBase} from "./support/ProofBase.sol";
import {vm} from "./support/Vm.sol";

/// @notice What proofs cost, as {GasTest} measures: whole transactions. The floor is the price of the precompiles:
///         181,150 and 6,150 an input; above it come 21,000, the calldata, and what is ours.
contract ProofGasTest is ProofBase {
    function setUp() public {
        makeVerifier();
    }

    function test_gas_verify_by_the_key_alone() public {
        _verifyByKey(4, "key alone, 4 inputs");
        _verifyByKey(7, "key alone, 7 inputs");
    }

    function test_gas_verify() public {
        setKey(4);
        uint256[] memory inputs = makeInputs(4, 0);
        uint256[8] memory proof = prove(inputs);
        _send(address(verifier), abi.encodeCall(verifier.verify, (CIRCUIT, inputs, proof)));
        vm.snapshotGasLastCall("proof", "verify, 4 inputs");
    }

    function test_gas_spend() public {
        _spend(4, "spend, 4 inputs");
        _spend(7, "spend, 7 inputs");
    }

    function test_gas_verify_anchored() public {
        setKey(4);
        uint256[] memory inputs = makeInputs(4, 0);
        uint256[8] memory proof = prove(inputs);
        Checkpoint memory checkpoint = anchorRoots(bytes32(inputs[0]), 0);
        _send(
            address(verifier), abi.encodeCall(verifier.verifyAnchored, (CIRCUIT, checkpoint, inputs, proof))
        );
        vm.snapshotGasLastCall("proof", "verify anchored, 4 inputs");
    }

    function test_gas_keys() public {
        bytes memory points = keyPoints(7);
        vm.prank(owner);
        verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(7), points);
        vm.snapshotGasLastCall("proof", "set a key, 7 inputs");
        vm.prank(owner);
        verifier.removeKey(CIRCUIT);
        vm.snapshotGasLastCall("proof", "remove a key");
    }

    // ---------------------------------------------------------------------------------------- private

    function _verifyByKey(uint256 count, string memory name) private {
        CircuitKey key = setKey(count);
        uint256[] memory inputs = makeInputs(count, 0);
        uint256[8] memory proof = prove(inputs);
        bytes memory data = abi.encodeCall(key.verify, (inputs, proof));
        uint256 above = 21_000 + _calldata(data);
        _send(address(key), data);
        uint256 used = vm.snapshotGasLastCall("proof", name);
        vm.snapshotValue("proof", string.concat(name, ", above the floor"), used - above - _floor(count));
        eq(used - above <= _floor(count) * 102 / 100, true);
    }

    function _spend(uint256 count, string memory name) private {
        setKey(count);
        uint256[] memory inputs = makeInputs(count, count);
        inputs[count - 1] = verifier.contextOf(PURPOSE);
        uint256[8] memory proof = prove(inputs);
        Checkpoint memory checkpoint = anchorRoots(bytes32(inputs[0]), 0);
        bytes memory data = abi.encodeCall(verifier.spend, (CIRCUIT, PURPOSE, checkpoint, inputs, proof));
        uint256 above = 21_000 + _calldata(data);
        verifier.spend(CIRCUIT, PURPOSE, checkpoint, inputs, proof);
        uint256 used = vm.snapshotGasLastCall("proof", name);
        vm.snapshotValue("proof", string.concat(name, ", above the floor"), used - above - _floor(count));
        eq(used - above <= _floor(count) + 40_000, true);
    }

    /// @dev As a transaction: a static call would not be one.
    function _send(address to, bytes memory data) private {
        (bool ok, bytes memory said) = to.call(data);
        eq(ok && abi.decode(said, (bool)), true);
    }

    function _floor(uint256 count) private pure returns (uint256) {
        return 181_150 + 6_150 * count;
    }

    /// @dev EIP-2028.
    function _calldata(bytes memory data) private pure returns (uint256 cost) {
        for (uint256 i = 0; i < data.length; ++i) {
            cost += data[i] == 0 ? 4 : 16;
        }
    }
}
