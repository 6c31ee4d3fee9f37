package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
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
	news    chan struct{} // holds a value while somebody is to be told of changes
}

const (
	// addressesSettle is how long changes are collected: an interface comes with several.
	addressesSettle = 50 * time.Millisecond

	// addressesPause is how often somebody is told at most. Where containers come and
	// go, changes never end.
	addressesPause = time.Second
)

func newAddresses(log *slog.Logger, changed func()) *addresses {
	return &addresses{log: log, changed: changed, news: make(chan struct{}, 1)}
}

// missed is told that a socket was not opened for want of its address, and the value
// of changes before the attempt.
func (a *addresses) missed(before uint64) {
	a.wanted.Store(true)
	if a.changes.Load() != before {
		a.note() // it may have come since
	}
}

// note lets somebody be told of a change.
func (a *addresses) note() {
	select {
	case a.news <- struct{}{}:
	default: // of this one, too
	}
}

// tell tells of changes until ctx ends: soon, since they come in bursts, and not too
// often.
func (a *addresses) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.news:
		}
		pause(ctx, addressesSettle)
		select {
		case <-a.news: // of the same burst
		default:
		}
		if ctx.Err() != nil || !a.wanted.Load() {
			continue
		}
		a.changed()
		pause(ctx, addressesPause)
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// follow tells of changes from now on until ctx ends, and closes done then. Where the
// kernel does not tell, sockets are only tried again from time to time.
func (a *addresses) follow(ctx context.Context, done chan<- struct{}) {
	f, err := openAddresses()
	if err != nil {
		a.log.InfoContext(ctx, "changes of addresses are not seen: sockets that wait for one are tried again from time to time", slog.Any("error", err))
		close(done)
		return
	}
	go func() {
		defer close(done)
		a.followFile(ctx, f)
	}()
}

// followFile is follow until ctx ends. It closes f.
func (a *addresses) followFile(ctx context.Context, f *os.File) {
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // which ends a read
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() { a.tell(ctx) })
	err := a.read(f)
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

// read notes changes until f is closed.
func (a *addresses) read(f *os.File) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := f.Read(buf)
		switch {
		case errors.Is(err, unix.ENOBUFS): // too many to tell: some are as good as all
		case err != nil:
			return err
		case !appears(buf[:n]):
			continue
		}
		a.changes.Add(1)
		a.note()
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
