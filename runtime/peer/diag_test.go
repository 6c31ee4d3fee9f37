package peer

import (
	"errors"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// message returns a netlink message, padded as in a datagram of several.
func message(kind, flags uint16, body []byte) []byte {
	b := native.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	b = native.AppendUint16(b, kind)
	b = native.AppendUint16(b, flags)
	b = append(b, make([]byte, 8)...) // sequence number, port
	return padded(append(b, body...))
}

func attribute(kind uint16, value ...byte) []byte {
	b := native.AppendUint16(nil, uint16(4+len(value)))
	b = native.AppendUint16(b, kind)
	return padded(append(b, value...))
}

func padded(b []byte) []byte { return append(b, make([]byte, align(len(b))-len(b))...) }

func word(n int32) []byte {
	b := make([]byte, 4)
	native.PutUint32(b, uint32(n))
	return b
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestParse(t *testing.T) {
	const multi = unix.NLM_F_MULTI
	for _, tt := range []struct {
		name    string
		in      []byte
		want    []string
		done    bool
		wantErr string
	}{
		{name: "empty"},
		{name: "one answer", in: message(unix.SOCK_DIAG_BY_FAMILY, 0, []byte("abc")), want: []string{"abc"}, done: true},
		{name: "dump", in: join(
			message(unix.SOCK_DIAG_BY_FAMILY, multi, []byte("a")),
			message(unix.NLMSG_NOOP, 0, nil),
			message(unix.SOCK_DIAG_BY_FAMILY, multi, []byte("b")),
		), want: []string{"a", "b"}},
		{name: "end", in: message(unix.NLMSG_DONE, multi, word(0)), done: true},
		{name: "end without status", in: message(unix.NLMSG_DONE, multi, nil), done: true},
		{name: "end with an error", in: message(unix.NLMSG_DONE, multi, word(-int32(unix.ENOENT))), done: true, wantErr: "no such file or directory"},
		{name: "acknowledged", in: message(unix.NLMSG_ERROR, 0, word(0)), done: true},
		{name: "error", in: message(unix.NLMSG_ERROR, 0, word(-int32(unix.EPERM))), done: true, wantErr: "operation not permitted"},
		{name: "error of the smallest number", in: message(unix.NLMSG_ERROR, 0, word(-1<<31)), done: true, wantErr: "errno 2147483648"},
		{name: "short error", in: message(unix.NLMSG_ERROR, 0, []byte{1}), done: true, wantErr: "malformed sock_diag answer: an error of 1 bytes"},
		{name: "overrun", in: message(unix.NLMSG_OVERRUN, 0, nil), wantErr: "malformed sock_diag answer: overrun"},
		{name: "half a header", in: make([]byte, 15), wantErr: "malformed sock_diag answer: 15 bytes, want a header of 16"},
		{name: "size of nothing", in: make([]byte, 16), wantErr: "malformed sock_diag answer: a message of 0 bytes in 16"},
		{name: "size beyond the end", in: join(word(17), make([]byte, 12)), wantErr: "malformed sock_diag answer: a message of 17 bytes in 16"},
		{name: "huge size", in: join(word(-1), make([]byte, 12)), wantErr: "malformed sock_diag answer: a message of 4294967295 bytes in 16"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			done, err := parse(tt.in, func(body []byte) error {
				got = append(got, string(body))
				return nil
			})
			if msg := errText(err); msg != tt.wantErr {
				t.Fatalf("parse error = %q, want %q", msg, tt.wantErr)
			}
			if done != tt.done {
				t.Errorf("done = %v, want %v", done, tt.done)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("bodies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseUnix(t *testing.T) {
	head := make([]byte, unixMessageSize)
	head[0] = unix.AF_UNIX
	native.PutUint32(head[4:], 77)
	for _, tt := range []struct {
		name    string
		in      []byte
		want    unixSocket
		wantErr string
	}{
		{name: "unnamed", in: head, want: unixSocket{inode: 77}},
		{
			name: "path",
			in:   join(head, attribute(unixAttrName, []byte("/run/a\x00")...), attribute(unixAttrVFS, join(word(5), word(6))...), attribute(unixAttrUID, word(33)...)),
			want: unixSocket{inode: 77, name: "/run/a", node: 5, uid: 33},
		},
		{name: "abstract", in: join(head, attribute(unixAttrName, []byte("\x00a\x00b")...)), want: unixSocket{inode: 77, name: "@a\x00b"}},
		{name: "unknown and short attributes", in: join(head, attribute(200, 1), attribute(unixAttrVFS, 1), attribute(unixAttrName)), want: unixSocket{inode: 77}},
		{name: "short", in: head[:15], wantErr: "malformed sock_diag answer: a unix socket of 15 bytes, want 16"},
		{name: "other family", in: make([]byte, 16), wantErr: "malformed sock_diag answer: a unix socket of family 0"},
		{name: "attribute of nothing", in: join(head, word(0)), wantErr: "malformed sock_diag answer: an attribute of 0 bytes in 4"},
		{name: "attribute beyond the end", in: join(head, word(9)), wantErr: "malformed sock_diag answer: an attribute of 9 bytes in 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseUnix(tt.in)
			if msg := errText(err); msg != tt.wantErr {
				t.Fatalf("parseUnix error = %q, want %q", msg, tt.wantErr)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("parseUnix = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestParseInet(t *testing.T) {
	socket := func(family byte) []byte {
		b := make([]byte, inetMessageSize)
		b[0], b[4], b[5] = family, 0x1f, 0x90
		b[8], b[11] = 127, 1
		native.PutUint32(b[64:], 33)
		native.PutUint32(b[68:], 77)
		return b
	}
	for _, tt := range []struct {
		name    string
		in      []byte
		want    inetSocket
		wantErr string
	}{
		{name: "IPv4", in: socket(unix.AF_INET), want: inetSocket{local: netip.MustParseAddrPort("127.0.0.1:8080"), uid: 33, inode: 77}},
		{
			name: "IPv6 only",
			in:   join(socket(unix.AF_INET6), attribute(inetDiagV6Only, 1)),
			want: inetSocket{local: netip.MustParseAddrPort("[7f00:1::]:8080"), v6only: true, uid: 33, inode: 77},
		},
		{name: "short", in: make([]byte, 71), wantErr: "malformed sock_diag answer: an inet socket of 71 bytes, want 72"},
		{name: "other family", in: socket(unix.AF_UNIX), wantErr: "malformed sock_diag answer: an inet socket of family 1"},
		{name: "attribute beyond the end", in: join(socket(unix.AF_INET), word(9)), wantErr: "malformed sock_diag answer: an attribute of 9 bytes in 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseInet(tt.in)
			if msg := errText(err); msg != tt.wantErr {
				t.Fatalf("parseInet error = %q, want %q", msg, tt.wantErr)
			}
			if got != tt.want {
				t.Errorf("parseInet = %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Whatever the bytes are, reading them ends, and every body lies within them.
func FuzzParse(f *testing.F) {
	head := make([]byte, unixMessageSize)
	head[0] = unix.AF_UNIX
	f.Add(join(
		message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_MULTI, join(head, attribute(unixAttrName, 0, 'a'))),
		message(unix.NLMSG_DONE, unix.NLM_F_MULTI, word(0))))
	inet := make([]byte, inetMessageSize)
	inet[0] = unix.AF_INET6
	f.Add(message(unix.SOCK_DIAG_BY_FAMILY, 0, join(inet, attribute(inetDiagV6Only, 1))))
	f.Add(message(unix.NLMSG_ERROR, 0, word(-1)))
	f.Fuzz(func(t *testing.T, in []byte) {
		seen := 0
		_, err := parse(in, func(body []byte) error {
			seen += unix.SizeofNlMsghdr + len(body)
			_, uerr := parseUnix(body)
			_, ierr := parseInet(body)
			for _, err := range []error{uerr, ierr} {
				if err != nil && !errors.Is(err, errAnswer) {
					t.Errorf("error of another kind: %v", err)
				}
			}
			return nil
		})
		if seen > len(in) {
			t.Errorf("%d bytes read of %d", seen, len(in))
		}
		var errno unix.Errno
		if err != nil && !errors.Is(err, errAnswer) && !errors.As(err, &errno) {
			t.Errorf("error of another kind: %v", err)
		}
	})
}

func TestNode(t *testing.T) {
	keepsDescriptors(t)
	path := filepath.Join(t.TempDir(), "s")
	fd := socket(t, unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if got, err := Node(fd); got != 0 || err != nil {
		t.Errorf("Node(unbound) = %d, %v; want 0", got, err)
	}
	bind(t, fd, &unix.SockaddrUnix{Name: path})
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	if got, err := Node(fd); got != uint32(st.Ino) || err != nil {
		t.Errorf("Node(bound) = %d, %v; want %d", got, err, uint32(st.Ino))
	}
	if _, err := Node(socket(t, unix.AF_INET, unix.SOCK_STREAM, 0)); !errors.Is(err, unix.ENOENT) {
		t.Errorf("Node(tcp) error = %v, want ENOENT", err)
	}
	if _, err := Node(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("Node(-1) error = %v, want EBADF", err)
	}
}

// A question that the kernel refuses is an error with its reason.
func TestAskRefused(t *testing.T) {
	keepsDescriptors(t)
	err := ask([]byte{unix.AF_UNIX}, 0, func([]byte) error { return nil })
	if err == nil || !strings.HasPrefix(err.Error(), "sock_diag: ") {
		t.Errorf("ask(half a request) = %v, want an error of sock_diag", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
