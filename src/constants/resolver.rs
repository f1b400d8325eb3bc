//! Flags and errors of getaddrinfo() and getnameinfo(): `netdb.h`.

use super::{Integer, integers};
use crate::net::EAI_ADDRFAMILY;
use crate::sys::netdb::NI_MAXSERV;

pub(super) const ERRORS: &[Integer] = integers! {
    libc {
        EAI_AGAIN EAI_BADFLAGS EAI_FAIL EAI_FAMILY EAI_MEMORY EAI_NODATA EAI_NONAME EAI_OVERFLOW
        EAI_SERVICE EAI_SOCKTYPE EAI_SYSTEM
    }
    own {
        EAI_ADDRFAMILY = EAI_ADDRFAMILY as i64,
    }
};

pub(super) const ADDRESS_INFO: &[Integer] = integers! {
    libc {
        AI_ADDRCONFIG AI_ALL AI_CANONNAME AI_NUMERICHOST AI_NUMERICSERV AI_PASSIVE AI_V4MAPPED
    }
};

pub(super) const NAME_INFO: &[Integer] = integers! {
    libc { NI_DGRAM NI_IDN NI_MAXHOST NI_NAMEREQD NI_NOFQDN NI_NUMERICHOST NI_NUMERICSERV }
    own {
        NI_MAXSERV = NI_MAXSERV as i64,
    }
};
