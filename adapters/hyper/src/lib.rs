//! The one driver for restless-proto, over hyper and rustls; knows no runtime and spawns nothing
