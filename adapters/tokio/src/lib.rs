//! Restless Stream on tokio: a socket, a resolver, a sleep
