//! The shared suite: vectors, conformance, scenarios over real sockets
