//! The bodies of the fuzz targets, as plain functions
