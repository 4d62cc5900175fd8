//! SoftLayer's dialects: XML-RPC, REST and SOAP, three codecs onto one value tree and one table of methods.

pub mod call;
pub mod fault;
pub mod filter;
mod headers;
pub mod mask;
pub mod rest;
mod scalar;
pub mod soap;
pub mod table;
pub mod types;
pub mod value;
pub mod wsdl;
pub mod xml;
pub mod xmlrpc;
