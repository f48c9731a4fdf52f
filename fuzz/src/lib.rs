//! The bodies of the fuzz targets, as plain functions

pub mod ws;
