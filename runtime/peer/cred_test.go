package peer

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// S102: the credentials are those of the connecting process, at the time when
// it connected.
func TestS102CredOfTheConnectingProcess(t *testing.T) {
	keepsDescriptors(t)
	many := make([]uint32, 100) // more than the first buffer holds
	for i := range many {
		many[i] = uint32(5000 + i)
	}
	for _, tt := range []struct {
		name   string
		typ    int
		groups []uint32
	}{
		{name: "stream", typ: unix.SOCK_STREAM, groups: []uint32{3333, 4444}},
		{name: "seqpacket", typ: unix.SOCK_SEQPACKET, groups: []uint32{3333}},
		{name: "no groups", typ: unix.SOCK_STREAM, groups: []uint32{}},
		{name: "many groups", typ: unix.SOCK_STREAM, groups: many},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := "@rind-peer-test-" + strconv.Itoa(os.Getpid())
			listener := socket(t, unix.AF_UNIX, tt.typ, 0)
			bind(t, listener, &unix.SockaddrUnix{Name: name})
			listen(t, listener)
			client := socket(t, unix.AF_UNIX, tt.typ, 0)
			asUser(t, 1111, 2222, tt.groups, func() error {
				return unix.Connect(client, &unix.SockaddrUnix{Name: name})
			})
			conn, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(conn)
			got, err := Of(conn)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got.Groups)
			want := Cred{UID: 1111, GID: 2222, PID: int32(os.Getpid()), Groups: tt.groups}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Of(conn) (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOfUnknown(t *testing.T) {
	keepsDescriptors(t)
	for _, tt := range []struct {
		name string
		open func(t *testing.T) int
	}{
		{name: "a listening socket, which would answer with our own", open: func(t *testing.T) int {
			t.Helper()
			fd := socket(t, unix.AF_UNIX, unix.SOCK_STREAM, 0)
			bind(t, fd, &unix.SockaddrUnix{Name: filepath.Join(t.TempDir(), "s")})
			listen(t, fd)
			return fd
		}},
		{name: "a datagram socket", open: func(t *testing.T) int {
			t.Helper()
			return socket(t, unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		}},
		{name: "tcp", open: func(t *testing.T) int {
			t.Helper()
			return socket(t, unix.AF_INET, unix.SOCK_STREAM, 0)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := Of(tt.open(t)); !errors.Is(err, ErrUnknown) {
				t.Errorf("Of = %+v, %v; want ErrUnknown", got, err)
			}
		})
	}
	if _, err := Of(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("Of(-1) = %v, want EBADF", err)
	}
}
