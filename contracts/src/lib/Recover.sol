// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Signature} from "../Types.sol";

/// @notice Signers of 64-byte ECDSA signatures (EIP-2098).
library Recover {
    /// @dev Half of the order of secp256k1, rounded down. A larger `s` is the other, malleable form.
    uint256 internal constant S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Who signed `digest`; zero when the signature is not one or its `s` is not the lower.
    function signer(bytes32 digest, Signature memory signature) internal pure returns (address) {
        uint256 s = uint256(signature.vs) & (type(uint256).max >> 1);
        if (s > S_MAX) return address(0);
        return ecrecover(digest, uint8(27 + (uint256(signature.vs) >> 255)), signature.r, bytes32(s));
    }
}
