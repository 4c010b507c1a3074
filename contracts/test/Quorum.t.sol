// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Quorum} from "../src/lib/Quorum.sol";
import {Recover} from "../src/lib/Recover.sol";
import {SetData} from "../src/lib/SetData.sol";
import {Signature, Validator} from "../src/Types.sol";
import {Base} from "./support/Base.sol";
import {vm} from "./support/Vm.sol";

/// @notice The assembly that counts signatures, against a plain twin.
contract QuorumTest is Base {
    /// @dev The library as an external call, so that the signatures lie in calldata. It must leave the compiler's
    ///      memory as it was: the free memory pointer beyond the set, the zero slot zero.
    function tally(address data, bytes32 digest, Signature[] calldata signatures)
        external
        view
        returns (uint256 weight, uint256 counted)
    {
        uint256 set = SetData.load(data, SetData.countOf(data));
        uint256 free;
        uint256 zero;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        (weight, counted) = Quorum.tally(set, digest, signatures);
        uint256 freeAfter;
        assembly ("memory-safe") {
            freeAfter := mload(0x40)
            zero := mload(0x60)
        }
        eq(freeAfter, free);
        eq(zero, 0);
    }

    /// @dev What {Quorum-tally} says, in plain words.
    function plain(Validator[] memory entries, bytes32 digest, Signature[] memory signatures)
        private
        pure
        returns (uint256 weight, uint256 counted)
    {
        address previous = address(0);
        for (; counted < signatures.length; ++counted) {
            address signer = Recover.signer(digest, signatures[counted]);
            if (signer <= previous) break;
            uint256 found = entries.length;
            for (uint256 i = 0; i < entries.length; ++i) {
                if (entries[i].account == signer) found = i;
            }
            if (found == entries.length) break;
            weight += entries[found].weight;
            previous = signer;
        }
    }

    function testFuzz_signatures_are_counted_as_by_the_plain_twin(uint256 seed, bytes32 digest) public {
        uint256 size = 1 + seed % 10;
        (Validator[] memory entries,) = makeSet(seed % 1e9, size);
        for (uint256 i = 0; i < size; ++i) {
            entries[i].weight = 1 + uint32(uint256(keccak256(abi.encode(seed, "weight", i))) % 1000);
        }
        address data = SetData.write(setHashOf(entries), 7, entries);
        Validator memory stranger = makeEntry(1e12, 1);

        // Members in order, some left out, and now and then something else.
        Signature[] memory signatures = new Signature[](2 * size);
        uint256 count = 0;
        for (uint256 i = 0; i < size; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i))) % 24;
            if (dice < 3) continue;
            signatures[count++] = sign(entries[i].account, digest);
            if (dice == 3) (signatures[count], count) = (signatures[count - 1], count + 1);
            if (dice == 4) signatures[count++] = sign(stranger.account, digest);
            if (dice == 5) signatures[count - 1].vs = ~bytes32(0);
            if (dice == 6) signatures[count - 1].r ^= bytes32(uint256(1));
            if (dice == 7) delete signatures[count - 1];
            if (dice == 8 && count > 1) {
                (signatures[count - 1], signatures[count - 2]) =
                (signatures[count - 2], signatures[count - 1]);
            }
        }
        assembly ("memory-safe") {
            mstore(signatures, count)
        }
        (uint256 weight, uint256 counted) = this.tally(data, digest, signatures);
        (uint256 plainWeight, uint256 plainCounted) = plain(entries, digest, signatures);
        eq(weight, plainWeight);
        eq(counted, plainCounted);
    }

    function testFuzz_a_stored_set_reads_as_it_was_written(uint256 seed, uint64 epoch) public {
        uint256 size = 1 + seed % 20;
        (Validator[] memory entries,) = makeSet(seed % 1e9, size);
        uint256 total = 0;
        for (uint256 i = 0; i < size; ++i) {
            entries[i].weight = 1 + uint32(uint256(keccak256(abi.encode(seed, i))) % (1 << 24));
            total += entries[i].weight;
        }
        bytes32 setHash = setHashOf(entries);
        address data = SetData.write(setHash, epoch, entries);
        eq(keccak256(abi.encode(SetData.read(data))), keccak256(abi.encode(entries)));
        uint256 set = SetData.load(data, SetData.countOf(data));
        eq(SetData.hashOf(set), setHash);
        eq(SetData.totalOf(set), total);
        // It is no program.
        (bool ok, bytes memory answer) = data.call("");
        eq(ok, true);
        eq(answer.length, 0);
    }
}
