// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CheckpointAnchor} from "./CheckpointAnchor.sol";
import {OwnerCommands} from "./OwnerCommands.sol";
import {Registration, Validator} from "./Types.sol";
import {ValidatorRegistry} from "./ValidatorRegistry.sol";

/// @title The contracts of one mesh, deployed together.
/// @notice One transaction, so that nobody can come between; each knows the others from its first block, for good.
contract PhalanxDeployment {
    /// @notice The validator sets.
    ValidatorRegistry public immutable registry;
    /// @notice The checkpoints.
    CheckpointAnchor public immutable anchor;
    /// @notice The owner's commands.
    OwnerCommands public immutable commands;

    /// @notice The contracts were deployed.
    event Deployed(bytes32 indexed meshId, address registry, address anchor, address commands);

    /// @param owner The Safe that commands.
    /// @param meshId The mesh.
    /// @param entries The first validator set.
    /// @param registrations One an entry.
    /// @param commandDelay Seconds that a command waits.
    /// @param forceDelay Seconds between the request and the execution of a force.
    constructor(
        address owner,
        bytes32 meshId,
        Validator[] memory entries,
        Registration[] memory registrations,
        uint32 commandDelay,
        uint64 forceDelay
    ) {
        // A contract's first creation has nonce 1. The registry comes first and names the two after it.
        registry = new ValidatorRegistry(_created(3), _created(2), meshId, forceDelay, entries, registrations);
        anchor = new CheckpointAnchor(address(registry), meshId);
        commands = new OwnerCommands(owner, meshId, address(registry), commandDelay);
        emit Deployed(meshId, address(registry), address(anchor), address(commands));
    }

    /// @dev The address of this contract's creation with a nonce below 128: the hash of the RLP list of both.
    function _created(uint8 nonce) private view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", address(this), nonce)))));
    }
}
