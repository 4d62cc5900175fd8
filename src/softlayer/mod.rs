//! SoftLayer's dialects: XML-RPC, REST and SOAP, three codecs onto one value tree and one table of methods.

pub mod call;
pub mod fault;
pub mod table;
pub mod types;
pub mod value;
pub mod wsdl;
