// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The interval tree, the plain way: built from its leaves as RFC 6962 says it.
library Tree {
    function receipts(uint256 count) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = keccak256(abi.encode("receipt", i));
        }
    }

    function leaf(bytes32 receipt) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"00", receipt));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"01", left, right));
    }

    /// @notice The largest power of two below `count`, which is above one.
    function split(uint256 count) internal pure returns (uint256 k) {
        k = 1;
        while (2 * k < count) k *= 2;
    }

    function root(bytes32[] memory list, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to == from) return 0;
        if (to - from == 1) return leaf(list[from]);
        uint256 middle = from + split(to - from);
        return node(root(list, from, middle), root(list, middle, to));
    }

    function path(bytes32[] memory list, uint256 index) internal pure returns (bytes32[] memory result) {
        bytes32[] memory down = new bytes32[](64);
        uint256 length = 0;
        (uint256 from, uint256 to) = (0, list.length);
        while (to - from > 1) {
            uint256 middle = from + split(to - from);
            if (index < middle) (down[length++], to) = (root(list, middle, to), middle);
            else (down[length++], from) = (root(list, from, middle), middle);
        }
        result = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            result[i] = down[length - 1 - i];
        }
    }

    /// @notice As the ledger's formats say it, 13.3 with the leaf and node of 14.1.
    function holds(bytes32 top, bytes32 receipt, uint256 index, uint256 count, bytes32[] memory proof)
        internal
        pure
        returns (bool)
    {
        if (index >= count) return false;
        bytes32 hash = leaf(receipt);
        uint256 taken = 0;
        (uint256 a, uint256 l) = (index, count - 1);
        for (; l > 0; (a, l) = (a / 2, l / 2)) {
            if (a % 2 == 0 && a >= l) continue;
            if (taken == proof.length) return false;
            hash = a % 2 == 1 ? node(proof[taken], hash) : node(hash, proof[taken]);
            ++taken;
        }
        return taken == proof.length && hash == top;
    }

    /// @notice The root that a path leads to, as far as it goes.
    function climb(bytes32 receipt, uint256 index, uint256 count, bytes32[] memory proof)
        internal
        pure
        returns (bytes32 hash)
    {
        hash = leaf(receipt);
        uint256 taken = 0;
        (uint256 a, uint256 l) = (index, count - 1);
        for (; l > 0 && taken < proof.length; (a, l) = (a / 2, l / 2)) {
            if (a % 2 == 0 && a >= l) continue;
            hash = a % 2 == 1 ? node(proof[taken], hash) : node(hash, proof[taken]);
            ++taken;
        }
    }
}
