// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// @notice The part of Safe 1.4.1 that these tests use.
interface ISafe {
    function setup(
        address[] calldata owners,
        uint256 threshold,
        address to,
        bytes calldata data,
        address fallbackHandler,
        address paymentToken,
        uint256 payment,
        address payable paymentReceiver
    ) external;
    function getTransactionHash(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address refundReceiver,
        uint256 nonce
    ) external view returns (bytes32);
    function execTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address payable refundReceiver,
        bytes calldata signatures
    ) external payable returns (bool);
    function nonce() external view returns (uint256);
    function VERSION() external view returns (string memory);
}

interface ISafeProxyFactory {
    function createProxyWithNonce(address singleton, bytes calldata initializer, uint256 salt)
        external
        returns (address);
}

/// @notice A mesh whose owner is a real Safe 1.4.1, two of three, made from the files of its npm package.
abstract contract SafeOwner is Base {
    ISafe internal safe;
    uint256[3] internal ownerKeys;

    function makeSafe() internal {
        address singleton = _create("Safe.sol/Safe.json");
        address factory = _create("proxies/SafeProxyFactory.sol/SafeProxyFactory.json");
        address[] memory owners = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            uint256 key = uint256(keccak256(abi.encode("owner", i)));
            ownerKeys[i] = key;
            for (uint256 j = i; j > 0 && vm.addr(ownerKeys[j]) < vm.addr(ownerKeys[j - 1]); --j) {
                (ownerKeys[j], ownerKeys[j - 1]) = (ownerKeys[j - 1], ownerKeys[j]);
            }
        }
        for (uint256 i = 0; i < 3; ++i) {
            owners[i] = vm.addr(ownerKeys[i]);
        }
        bytes memory initializer = abi.encodeCall(
            ISafe.setup, (owners, 2, address(0), "", address(0), address(0), 0, payable(address(0)))
        );
        safe = ISafe(ISafeProxyFactory(factory).createProxyWithNonce(singleton, initializer, 0));
        owner = address(safe);
    }

    /// @notice Signatures of owners `a` and `b` (a < b) for a call of the commands with the Safe's next nonce.
    function ownersSign(bytes memory data, uint256 a, uint256 b) internal view returns (bytes memory) {
        return _ownersSign(address(commands), data, a, b);
    }

    /// @notice Two owners sign the call of the commands, and somebody sends it.
    function command(bytes memory data) internal {
        command(address(commands), data);
    }

    /// @notice The same for any contract.
    function command(address to, bytes memory data) internal {
        bytes memory signatures = _ownersSign(to, data, 0, 2);
        safe.execTransaction(to, 0, data, 0, 0, 0, 0, address(0), payable(address(0)), signatures);
    }

    function _ownersSign(address to, bytes memory data, uint256 a, uint256 b)
        private
        view
        returns (bytes memory)
    {
        bytes32 hash = safe.getTransactionHash(to, 0, data, 0, 0, 0, 0, address(0), address(0), safe.nonce());
        return bytes.concat(_sign(a, hash), _sign(b, hash));
    }

    function _sign(uint256 which, bytes32 hash) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ownerKeys[which], hash);
        return abi.encodePacked(r, s, v);
    }

    function _create(string memory file) private returns (address made) {
        string memory path =
            string.concat("node_modules/@safe-global/safe-contracts/build/artifacts/contracts/", file);
        bytes memory code = vm.parseJsonBytes(vm.readFile(path), ".bytecode");
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        eq(made != address(0), true);
    }
}
