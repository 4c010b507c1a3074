// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CheckpointAnchor} from "../../src/CheckpointAnchor.sol";
import {Numbers} from "../../src/lib/Numbers.sol";
import {OwnerCommands} from "../../src/OwnerCommands.sol";
import {PhalanxDeployment} from "../../src/PhalanxDeployment.sol";
import {Checkpoint, CheckpointBody, Registration, Signature, Validator} from "../../src/Types.sol";
import {ValidatorRegistry} from "../../src/ValidatorRegistry.sol";
import {vm} from "./Vm.sol";

/// @notice A deployed mesh, keys for its validators, and checkpoints signed by them.
abstract contract Base {
    bytes32 internal constant MESH = bytes32(uint256(0xaaaa));
    uint64 internal constant FORCE_DELAY = 7 days;
    /// @dev 1,790,000,000 s: a time that is realistic in calldata.
    uint64 internal constant TIME = 1_790_000_000_000;

    address internal owner = address(0x0E0E);
    ValidatorRegistry internal registry;
    CheckpointAnchor internal anchor;
    OwnerCommands internal commands;

    /// @dev Private key of an account.
    mapping(address account => uint256 key) internal keyOf;

    // ------------------------------------------------------------------------------------- validators

    /// @notice Entries with equal weights and registrations; `from` numbers the first one's keys.
    function makeSet(uint256 from, uint256 count)
        internal
        returns (Validator[] memory entries, Registration[] memory registrations)
    {
        uint32[] memory weights = new uint32[](count);
        for (uint256 i = 0; i < count; ++i) {
            weights[i] = 100;
        }
        return makeSet(from, weights);
    }

    function makeSet(uint256 from, uint32[] memory weights)
        internal
        returns (Validator[] memory entries, Registration[] memory registrations)
    {
        uint256 count = weights.length;
        entries = new Validator[](count);
        for (uint256 i = 0; i < count; ++i) {
            entries[i] = makeEntry(from + i, weights[i]);
        }
        sort(entries);
        registrations = new Registration[](count);
        for (uint256 i = 0; i < count; ++i) {
            registrations[i] = register(entries[i]);
        }
    }

    function makeEntry(uint256 number, uint32 weight) internal returns (Validator memory) {
        uint256 key = uint256(keccak256(abi.encode("account", number)));
        address account = vm.addr(key);
        keyOf[account] = key;
        return Validator({
            networkKey: keccak256(abi.encode("network", number)),
            voteKey: keccak256(abi.encode("vote", number)),
            account: account,
            weight: weight
        });
    }

    function sort(Validator[] memory entries) internal pure {
        for (uint256 i = 1; i < entries.length; ++i) {
            for (uint256 j = i; j > 0 && entries[j].account < entries[j - 1].account; --j) {
                (entries[j], entries[j - 1]) = (entries[j - 1], entries[j]);
            }
        }
    }

    function register(Validator memory entry) internal view returns (Registration memory registration) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId)"),
                keccak256("Phalanx"),
                keccak256("1"),
                block.chainid
            )
        );
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("Registration(bytes32 meshId,bytes32 networkKey,bytes32 voteKey)"),
                MESH,
                entry.networkKey,
                entry.voteKey
            )
        );
        registration.account = sign(entry.account, keccak256(abi.encodePacked(hex"1901", domain, hash)));
        // The chain carries these two and checks neither.
        registration.network.r = keccak256(abi.encode(entry.networkKey, "R"));
        registration.network.s = keccak256(abi.encode(entry.networkKey, "s"));
        registration.vote.r = keccak256(abi.encode(entry.voteKey, "R"));
        registration.vote.s = keccak256(abi.encode(entry.voteKey, "s"));
    }

    /// @notice EIP-712 hash of a set, the plain way.
    function setHashOf(Validator[] memory entries) internal pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i = 0; i < entries.length; ++i) {
            hashes = abi.encodePacked(
                hashes,
                keccak256(
                    abi.encode(
                        keccak256(
                            "Validator(bytes32 networkKey,bytes32 voteKey,address account,uint32 weight)"
                        ),
                        entries[i].networkKey,
                        entries[i].voteKey,
                        entries[i].account,
                        entries[i].weight
                    )
                )
            );
        }
        return keccak256(hashes);
    }

    function names(uint256 count) internal pure returns (string[] memory list) {
        list = new string[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = "earth";
        }
    }

    // ------------------------------------------------------------------------------------- deployment

    function deploy(Validator[] memory entries, Registration[] memory registrations) internal {
        deploy(entries, registrations, 0);
    }

    function deploy(Validator[] memory entries, Registration[] memory registrations, uint32 delay) internal {
        PhalanxDeployment deployment =
            new PhalanxDeployment(owner, MESH, entries, registrations, delay, FORCE_DELAY);
        (registry, anchor, commands) = (deployment.registry(), deployment.anchor(), deployment.commands());
    }

    /// @notice The owner makes a set pending.
    function propose(Validator[] memory entries, Registration[] memory registrations)
        internal
        returns (bytes32)
    {
        vm.prank(owner);
        commands.setValidators(entries, names(entries.length), names(entries.length), registrations);
        return setHashOf(entries);
    }

    // ------------------------------------------------------------------------------------ checkpoints

    function sign(address account, bytes32 digest) internal view returns (Signature memory signature) {
        (signature.r, signature.vs) = vm.signCompact(keyOf[account], digest);
    }

    /// @notice Signatures of the first `count` of the entries.
    function signAll(Validator[] memory entries, uint256 count, bytes32 digest)
        internal
        view
        returns (Signature[] memory signatures)
    {
        signatures = new Signature[](count);
        for (uint256 i = 0; i < count; ++i) {
            signatures[i] = sign(entries[i].account, digest);
        }
    }

    /// @notice The body of checkpoint `number`: 32 beats and 1,500 receipts each.
    function makeBody(uint32 number, bool isBoundary) internal pure returns (CheckpointBody memory body) {
        body.numbers = Numbers.pack(
            TIME + uint64(number) * 600_000,
            uint64(number) * 1_500,
            uint64(number) * 32,
            number,
            isBoundary,
            1,
            50_000
        );
        body.intervalRoot = keccak256(abi.encode("interval", number));
        body.historyRoot = keccak256(abi.encode("history", number));
        body.appHash = keccak256(abi.encode("app", number));
        body.agentsRoot = keccak256(abi.encode("agents", number));
        body.auditRoot = keccak256(abi.encode("audit", number));
    }

    /// @notice The whole checkpoint of {makeBody}, the plain way.
    function makeCheckpoint(uint32 number, bytes32 parent, uint64 epoch, bytes32 setHash, bytes32 nextSetHash)
        internal
        pure
        returns (Checkpoint memory)
    {
        return Checkpoint({
            version: 1,
            number: number,
            parent: parent,
            meshId: MESH,
            firstBeat: number == 1 ? 0 : (number - 1) * 32 + 1,
            lastBeat: number * 32,
            firstReceipt: (number - 1) * 1_500,
            receiptCount: 1_500,
            intervalRoot: keccak256(abi.encode("interval", number)),
            historyRoot: keccak256(abi.encode("history", number)),
            historySize: number * 1_500,
            appHash: keccak256(abi.encode("app", number)),
            agentsRoot: keccak256(abi.encode("agents", number)),
            auditRoot: keccak256(abi.encode("audit", number)),
            setEpoch: epoch,
            setHash: setHash,
            nextSetHash: nextSetHash,
            verificationLevel: 1,
            verificationFraction: 50_000,
            timeMs: TIME + uint64(number) * 600_000
        });
    }

    /// @notice EIP-712 struct hash, the plain way.
    function hashOf(Checkpoint memory c) internal pure returns (bytes32) {
        bytes memory first = abi.encode(
            keccak256(
                "Checkpoint(uint16 version,uint64 number,bytes32 parent,bytes32 meshId,uint64 firstBeat,uint64 lastBeat,uint64 firstReceipt,uint64 receiptCount,bytes32 intervalRoot,bytes32 historyRoot,uint64 historySize,bytes32 appHash,bytes32 agentsRoot,bytes32 auditRoot,uint64 setEpoch,bytes32 setHash,bytes32 nextSetHash,uint8 verificationLevel,uint32 verificationFraction,uint64 timeMs)"
            ),
            c.version,
            c.number,
            c.parent,
            c.meshId,
            c.firstBeat,
            c.lastBeat,
            c.firstReceipt,
            c.receiptCount,
            c.intervalRoot
        );
        bytes memory second = abi.encode(
            c.historyRoot,
            c.historySize,
            c.appHash,
            c.agentsRoot,
            c.auditRoot,
            c.setEpoch,
            c.setHash,
            c.nextSetHash,
            c.verificationLevel,
            c.verificationFraction,
            c.timeMs
        );
        return keccak256(bytes.concat(first, second));
    }

    /// @notice What validators sign, the plain way.
    function digestOf(bytes32 hash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Phalanx"),
                keccak256("1"),
                block.chainid,
                address(anchor)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }

    /// @notice Anchors the next checkpoint, signed by all of `entries`.
    function anchorNext(Validator[] memory entries, bool isBoundary) internal {
        CheckpointBody memory body = makeBody(uint32(anchor.headNumber()) + 1, isBoundary);
        (,, bytes32 digest) = anchor.preview(body);
        anchor.anchor(body, signAll(entries, entries.length, digest));
    }

    // ----------------------------------------------------------------------------------------- checks

    error Unequal(bytes32 found, bytes32 expected);

    function eq(bytes32 found, bytes32 expected) internal pure {
        if (found != expected) revert Unequal(found, expected);
    }

    function eq(uint256 found, uint256 expected) internal pure {
        eq(bytes32(found), bytes32(expected));
    }

    function eq(address found, address expected) internal pure {
        eq(uint160(found), uint160(expected));
    }

    function eq(bool found, bool expected) internal pure {
        eq(found ? uint256(1) : 0, expected ? uint256(1) : 0);
    }

    /// @notice The next call reverts with just this.
    function refuses(bytes memory data) internal {
        vm.expectRevert(data);
    }
}
