//! The application behind consensus: mempool, speculative execution of beats, and the commit of what is decided.
