// Package notify receives what services say of themselves over NOTIFY_SOCKET, see
// sd_notify(3). It knows messages and who has sent them; what a message means is
// somebody else's business.
//
// # Who has sent a message
//
// Every process that is to be heard has a socket of its own, at a path whose mode
// lets nobody but its user and root send anything. So one service cannot fill the
// queue of another, and a message that comes in belongs to a service before its
// sender is known. The kernel says who that is: a pidfd of the sender comes with
// the message (SO_PASSPIDFD, Linux 6.5), which stays right when the sender has
// ended and its number has passed to somebody else. An older kernel says the pid,
// and the pidfd is opened on arrival. Root may claim another pid, but not another
// pidfd.
//
// # What a message may cost
//
// A message is at most [MaxMessage] bytes and comes with at most [MaxFiles]
// descriptors. Whatever is longer, cut by the kernel, or not to be understood is
// dropped, and its descriptors are closed. A service that says more than
// [Rate] messages a second waits in its sendmsg(2).
package notify
