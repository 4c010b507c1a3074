// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOwnerCommands} from "../interfaces/IOwnerCommands.sol";

/// @notice Names of shards, workers, tenants and the like: 1 to 64 characters of a-z 0-9 . _ - that begin with a
///         letter or a digit.
library Names {
    uint256 private constant LENGTH_MAX = 64;
    /// @dev Bit c is set for each character c of a-z and 0-9.
    uint256 private constant FIRST = 0x7fffffe0000000003ff000000000000;
    /// @dev The same with . _ -
    uint256 private constant OTHERS = FIRST | (1 << 0x2e) | (1 << 0x5f) | (1 << 0x2d);

    /// @notice Reverts unless it is a name.
    function verify(string calldata name) internal pure {
        bytes calldata text = bytes(name);
        if (text.length == 0 || text.length > LENGTH_MAX) revert IOwnerCommands.NameLength(text.length);
        uint256 allowed = FIRST;
        for (uint256 i = 0; i < text.length; ++i) {
            if (allowed & (1 << uint8(text[i])) == 0) revert IOwnerCommands.NameCharacter(i, text[i]);
            allowed = OTHERS;
        }
    }

    /// @notice Reverts unless all are names and none is `self`.
    function verifyOthers(string calldata self, string[] calldata names, uint256 max) internal pure {
        verifyLength(0, max, names.length);
        bytes32 selfHash = keccak256(bytes(self));
        for (uint256 i = 0; i < names.length; ++i) {
            verify(names[i]);
            if (keccak256(bytes(names[i])) == selfHash) revert IOwnerCommands.SpillsToItself(i);
        }
    }

    /// @notice Reverts unless all are names.
    function verifyAll(string[] calldata names) internal pure {
        for (uint256 i = 0; i < names.length; ++i) {
            verify(names[i]);
        }
    }

    /// @notice Reverts unless all are names, in strictly ascending order of their bytes.
    function verifyAscending(string[] calldata names, uint256 min, uint256 max) internal pure {
        verifyLength(min, max, names.length);
        uint256 high = 0;
        uint256 low = 0;
        for (uint256 i = 0; i < names.length; ++i) {
            verify(names[i]);
            (uint256 nextHigh, uint256 nextLow) = _words(names[i]);
            if (nextHigh < high || (nextHigh == high && nextLow <= low)) {
                revert IOwnerCommands.NotAscending(i);
            }
            (high, low) = (nextHigh, nextLow);
        }
    }

    /// @notice Reverts unless min <= found <= max.
    function verifyLength(uint256 min, uint256 max, uint256 found) internal pure {
        if (found < min || found > max) revert IOwnerCommands.LengthOutOfRange(min, max, found);
    }

    /// @dev The name's 64 bytes, zero where it has ended. No character is zero, so their order is the names'.
    function _words(string calldata name) private pure returns (uint256 high, uint256 low) {
        bytes memory padded = bytes.concat(bytes(name), new bytes(LENGTH_MAX));
        assembly ("memory-safe") {
            high := mload(add(padded, 0x20))
            low := mload(add(padded, 0x40))
        }
    }
}
