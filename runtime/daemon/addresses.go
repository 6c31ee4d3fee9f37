package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// addresses follows the addresses and interfaces of the machine, for sockets whose
// address is not there yet (SPEC §6.2). Nobody is told as long as no socket is.
type addresses struct {
	log     *slog.Logger
	changed func()

	changes atomic.Uint64 // that were seen
	wanted  atomic.Bool   // a socket has missed its address
}

// addressesSettle is how long changes are collected: an interface comes with several.
const addressesSettle = 50 * time.Millisecond

// missed is told that a socket was not opened for want of its address, and the value
// of changes before the attempt.
func (a *addresses) missed(before uint64) {
	a.wanted.Store(true)
	if a.changes.Load() != before {
		a.changed() // it may have come since
	}
}

// follow runs until ctx ends, and closes done. Where the kernel does not tell, sockets
// are only tried again from time to time.
func (a *addresses) follow(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	f, err := openAddresses()
	if err != nil {
		a.log.InfoContext(ctx, "changes of addresses are not seen: sockets that wait for one are tried again from time to time", slog.Any("error", err))
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // which ends a read
	err = a.read(f)
	if stop() {
		err = errors.Join(err, f.Close())
	}
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "changes of addresses are not seen any more: sockets that wait for one are tried again from time to time", slog.Any("error", err))
	}
}

// openAddresses returns a socket that tells of addresses and interfaces, see
// rtnetlink(7).
func openAddresses() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	const groups = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("netlink: bind: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// read tells of changes until f is closed.
func (a *addresses) read(f *os.File) error {
	buf := make([]byte, 16<<10)
	collecting := false
	for {
		n, err := f.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // it is quiet again
			if err := f.SetReadDeadline(time.Time{}); err != nil {
				return err
			}
			collecting = false
			if a.wanted.Load() {
				a.changed()
			}
			continue
		case errors.Is(err, unix.ENOBUFS): // too many to tell: some are as good as all
		case err != nil:
			return err
		case !appears(buf[:n]):
			continue
		}
		a.changes.Add(1)
		if collecting {
			continue
		}
		if err := f.SetReadDeadline(time.Now().Add(addressesSettle)); err != nil {
			return err
		}
		collecting = true
	}
}

// appears reports whether a message of rtnetlink tells that an address or interface
// has come or changed, which an IPv6 address does when it can be used. What goes
// away opens nothing.
func appears(text []byte) bool {
	for len(text) >= unix.SizeofNlMsghdr {
		length, kind := binary.NativeEndian.Uint32(text), binary.NativeEndian.Uint16(text[4:]) // struct nlmsghdr
		if kind == unix.RTM_NEWADDR || kind == unix.RTM_NEWLINK {
			return true
		}
		next := (int(length) + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1)
		if next < unix.SizeofNlMsghdr || next > len(text) {
			return false
		}
		text = text[next:]
	}
	return false
}
