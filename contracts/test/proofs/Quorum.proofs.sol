// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Quorum} from "../../src/lib/Quorum.sol";
import {Recover} from "../../src/lib/Recover.sol";
import {SetData} from "../../src/lib/SetData.sol";
import {Signature} from "../../src/Types.sol";

/// @notice For Halmos (`scripts/check --slow`): for all sets of three members, all weights, all digests and all lists
///         of up to three signatures. Recovery is an unknown function here. Assumed is that it is a function, that
///         nobody signs as the highest account, and that the precompile recovers nobody when v is not 27 or 28, which
///         Halmos does not know: signatures with an upper s are left out (the fuzz tests have them).
contract QuorumProofs {
    struct Case {
        bytes32 digest;
        uint160 a;
        uint160 b;
        uint160 c;
        uint32 weightA;
        uint32 weightB;
        uint32 weightC;
    }

    /// @dev What the anchor accepts, with a set in memory as {SetData-load} leaves it.
    function accepts(Case calldata given, Signature[] calldata signatures) external view returns (bool) {
        uint256 total = uint256(given.weightA) + given.weightB + given.weightC;
        uint256[6] memory set;
        set[1] = total;
        set[2] = uint256(given.a) << 96 | given.weightA;
        set[3] = uint256(given.b) << 96 | given.weightB;
        set[4] = uint256(given.c) << 96 | given.weightC;
        set[5] = type(uint256).max;
        uint256 place;
        assembly ("memory-safe") {
            place := set
        }
        (uint256 weight, uint256 counted) = Quorum.tally(place, given.digest, signatures);
        return counted == signatures.length && 3 * weight > 2 * SetData.totalOf(place);
    }

    function check_two_thirds_of_the_weight_have_signed_1(Case calldata given, Signature calldata s0)
        external
        view
    {
        Signature[] memory signatures = new Signature[](1);
        signatures[0] = s0;
        _check(given, signatures);
    }

    function check_two_thirds_of_the_weight_have_signed_2(
        Case calldata given,
        Signature calldata s0,
        Signature calldata s1
    ) external view {
        Signature[] memory signatures = new Signature[](2);
        (signatures[0], signatures[1]) = (s0, s1);
        _check(given, signatures);
    }

    function check_two_thirds_of_the_weight_have_signed_3(
        Case calldata given,
        Signature calldata s0,
        Signature calldata s1,
        Signature calldata s2
    ) external view {
        Signature[] memory signatures = new Signature[](3);
        (signatures[0], signatures[1], signatures[2]) = (s0, s1, s2);
        _check(given, signatures);
    }

    /// @dev Accepted: the weights of the members that have signed, each counted once, are more than two thirds.
    function _check(Case calldata given, Signature[] memory signatures) private view {
        if (!(given.a > 0 && given.a < given.b && given.b < given.c)) return;
        bool a = false;
        bool b = false;
        bool c = false;
        for (uint256 i = 0; i < signatures.length; ++i) {
            if (uint256(signatures[i].vs) << 1 >> 1 > Recover.S_MAX) return;
            address signer = Recover.signer(given.digest, signatures[i]);
            if (uint160(signer) == type(uint160).max) return;
            a = a || signer == address(given.a);
            b = b || signer == address(given.b);
            c = c || signer == address(given.c);
        }
        if (!this.accepts(given, signatures)) return;
        uint256 signed = (a ? uint256(given.weightA) : 0) + (b ? uint256(given.weightB) : 0)
            + (c ? uint256(given.weightC) : 0);
        uint256 total = uint256(given.weightA) + given.weightB + given.weightC;
        assert(3 * signed > 2 * total);
    }
}
