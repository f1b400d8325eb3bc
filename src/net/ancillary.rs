//! Ancillary data of messages (cmsg(3)): what the gate and the limits say of it.

use super::observer::Limit;
use super::{Control, Error, Moving};
use crate::policy::{Denied, Gate, Operation, Target};
use crate::sockaddr::family::SCTP_SOCKOPT_CONNECTX;
use crate::sys::message::{self, ControlBuffer, ControlItem, ControlMessage};
use nix::errno::Errno;
use nix::libc;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::{AsRawFd, RawFd};

/// The most descriptors that one message carries (SCM_MAX_FD, net/scm.h).
const MOST_RIGHTS: usize = 253;

/// Ancillary data to send.
#[derive(Debug, Default)]
pub(crate) struct Ancillary {
    bytes: Vec<u8>,
    /// The duplicates that [`hold_rights`](Self::hold_rights) made.
    rights: BTreeMap<RawFd, Moving>,
}

impl Ancillary {
    /// Adds an item. Returns false if it is too large.
    #[must_use]
    pub(crate) fn push(&mut self, level: i32, cmsg_type: i32, data: &[u8]) -> bool {
        message::push_control(&mut self.bytes, level, cmsg_type, data)
    }

    /// Returns the items in the kernel's encoding.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn items(&self) -> Vec<ControlMessage<'_>> {
        message::control_messages(&self.bytes).0
    }

    /// Asks the gate, because ancillary data can carry descriptors, and because some items
    /// do for one message what a socket option does for all.
    pub(crate) fn check(&self, gate: &Gate) -> Result<(), Denied> {
        if !gate.is_guarded() {
            return Ok(());
        }
        for item in self.items() {
            if let Some((level, name)) = option_of(&item) {
                let target = Target::socket_option(level, name);
                gate.check(Operation::UseOption, &target)?;
            }
        }
        Ok(())
    }

    /// Under a policy, replaces each descriptor by a duplicate, which counts as the
    /// script's. Otherwise another thread could close a permitted descriptor while the call
    /// waits, and the host could get its number.
    pub(crate) fn hold_rights(&mut self, gate: &Gate, control: &Control) -> Result<(), Error> {
        let items = self.items();
        let count = items.iter().flat_map(message::rights).count();
        if !gate.is_guarded() || count == 0 {
            return Ok(());
        }
        if count > MOST_RIGHTS {
            return Err(Errno::EINVAL.into());
        }
        let mut held = Self::default();
        for item in &items {
            let mut data = item.data.to_vec();
            for (fd, number) in message::rights(item).zip(data.chunks_exact_mut(4)) {
                let copy = match held.rights.entry(fd) {
                    Entry::Occupied(copy) => copy.into_mut(),
                    Entry::Vacant(place) => place.insert(control.duplicate(fd, gate)?),
                };
                number.copy_from_slice(&copy.fd.as_raw_fd().to_ne_bytes());
            }
            // This fits, because it is as large as the item that the script added.
            let _ = held.push(item.level, item.cmsg_type, &data);
        }
        *self = held;
        Ok(())
    }
}

/// Returns level and number of the option that stands for an item in the policy's
/// question. `None` for descriptors, about which the policy is asked one by one.
fn option_of(item: &ControlMessage<'_>) -> Option<(i32, i32)> {
    let name = match (item.level, item.cmsg_type) {
        (libc::SOL_SOCKET, libc::SCM_RIGHTS) => return None,
        // A privileged process can send the credentials of any other.
        (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => libc::SO_PASSCRED,
        // These items do for one message what the option does for the socket.
        (libc::IPPROTO_IP, libc::IP_RETOPTS) => libc::IP_OPTIONS,
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => libc::IP_UNICAST_IF,
        (libc::IPPROTO_SCTP, libc::SCTP_DSTADDRV4 | libc::SCTP_DSTADDRV6) => SCTP_SOCKOPT_CONNECTX,
        (_, cmsg_type) => cmsg_type,
    };
    Some((item.level, name))
}

/// Ancillary data that arrived. Dropping it closes the descriptors that came with it.
#[derive(Debug)]
pub(crate) struct Arrived {
    items: Vec<ControlItem>,
    /// True if the last item's length goes beyond the buffer.
    pub(crate) malformed: bool,
}

/// An item that arrived, with the numbers of descriptors that are now the script's.
type ArrivedItem = (i32, i32, Vec<u8>);

impl From<ControlBuffer> for Arrived {
    fn from(control: ControlBuffer) -> Self {
        let (items, malformed) = control.into_items();
        Self { items, malformed }
    }
}

impl Arrived {
    /// Asks the gate about each descriptor.
    pub(crate) fn check(&self, gate: &Gate) -> Result<(), Denied> {
        let mut all = self.items.iter().flat_map(|item| &item.descriptors);
        all.try_for_each(|fd| gate.descriptor(fd.as_raw_fd()))
    }

    /// Makes the descriptors the script's. If the limit is reached, a descriptor is closed
    /// like one for which there was no room, and `flags` gets MSG_CTRUNC.
    pub(crate) fn give(
        self,
        control: &Control,
        flags: &mut i32,
    ) -> Result<Vec<ArrivedItem>, Limit> {
        let mut items = Vec::with_capacity(self.items.len());
        let mut given = Vec::new();
        for item in self.items {
            let mut data = item.data;
            let count = item.descriptors.len();
            if count > 0 {
                data.clear();
            }
            for fd in item.descriptors {
                let permit = match control.permit() {
                    Ok(permit) => permit,
                    Err(limit) => {
                        control.observer.limited(limit);
                        *flags |= libc::MSG_CTRUNC;
                        continue;
                    }
                };
                data.extend(fd.as_raw_fd().to_ne_bytes());
                given.push(Moving::of_others(fd, false, permit));
            }
            if count == 0 || !data.is_empty() {
                items.push((item.level, item.cmsg_type, data));
            }
        }
        for moving in given {
            control.ledger.give(moving)?;
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_act_as_an_option_are_asked_for_as_the_option() {
        let option_of = |level, cmsg_type| {
            let data = &[];
            option_of(&ControlMessage {
                level,
                cmsg_type,
                data,
            })
        };
        assert_eq!(option_of(libc::SOL_SOCKET, libc::SCM_RIGHTS), None);
        let credentials = option_of(libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
        assert_eq!(credentials, Some((libc::SOL_SOCKET, libc::SO_PASSCRED)));
        let source = option_of(libc::IPPROTO_IP, libc::IP_PKTINFO);
        assert_eq!(source, Some((libc::IPPROTO_IP, libc::IP_UNICAST_IF)));
        assert_eq!(option_of(-1, 99), Some((-1, 99)));
    }

    #[test]
    fn a_limit_closes_what_arrives_beyond_it() {
        let control = Control::default();
        control.ledger.permits.set_most(1);
        let null = || std::fs::File::open("/dev/null").unwrap().into();
        let item = |descriptors| ControlItem {
            level: libc::SOL_SOCKET,
            cmsg_type: libc::SCM_RIGHTS,
            data: vec![1; 8],
            descriptors,
        };
        let arrived = Arrived {
            items: vec![item(vec![null(), null()]), item(vec![null()])],
            malformed: false,
        };
        let mut flags = 0;
        let items = arrived.give(&control, &mut flags).unwrap();
        assert_eq!(flags, libc::MSG_CTRUNC);
        let loose = control.ledger.loose();
        let number = loose[0].to_ne_bytes().to_vec();
        assert_eq!(items, [(libc::SOL_SOCKET, libc::SCM_RIGHTS, number)]);
        assert_eq!((loose.len(), control.ledger.permits.taken()), (1, 1));
    }
}
