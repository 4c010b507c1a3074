// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Signature} from "../Types.sol";

/// @notice The weight of those who signed a digest.
library Quorum {
    /// @dev {Recover-S_MAX}; assembly takes only constants of its own library.
    uint256 private constant S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Adds up the weights of the signers. Members and signatures both ascend by account, so one pass
    ///         over both meets each member once.
    /// @dev Assembly because this loop is most of an anchor's own gas. The tests compare it with a plain twin.
    /// @param set A loaded set: see {SetData-load}.
    /// @return weight Theirs, up to the first signature that does not count.
    /// @return counted How many count before that one: all, when there is none.
    function tally(uint256 set, bytes32 digest, Signature[] calldata signatures)
        internal
        view
        returns (uint256 weight, uint256 counted)
    {
        assembly ("memory-safe") {
            // The precompile's input lies in the first four words: digest, v, r, s. The last two are the
            // compiler's free memory pointer and zero: they are put back at the end.
            let free := mload(0x40)
            mstore(0x00, digest)
            let member := add(set, 0x40)
            let next := signatures.offset
            let end := add(next, shl(6, signatures.length))
            for {} lt(next, end) { next := add(next, 0x40) } {
                calldatacopy(0x40, next, 0x40)
                let vs := mload(0x60)
                let s := shr(1, shl(1, vs))
                mstore(0x60, s)
                // 27 or 28; with an upper s 29 or 30, which the precompile refuses.
                mstore(0x20, add(shr(255, vs), add(27, shl(1, gt(s, S_MAX)))))
                // It answers nothing to what is no signature: the zero stays.
                mstore(free, 0)
                pop(staticcall(gas(), 1, 0x00, 0x80, free, 0x20))
                let account := shl(96, mload(free))
                let word := mload(member)
                for {} lt(word, account) {} {
                    member := add(member, 0x20)
                    word := mload(member)
                }
                if shr(96, xor(word, account)) { break }
                member := add(member, 0x20)
                weight := add(weight, and(word, 0xffffffff))
            }
            counted := shr(6, sub(next, signatures.offset))
            mstore(0x40, free)
            mstore(0x60, 0)
        }
    }
}
