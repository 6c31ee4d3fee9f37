package wire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plugins/transport/wire"
)

var token = wire.Token([]byte("0123456789abcdef"))

func TestFrameBytes(t *testing.T) {
	got := wire.Frame{Count: 2, Token: token, First: 0x01020304}.Bytes()
	want := []byte("RFD1\x01\x00\x00\x020123456789abcdef\x01\x02\x03\x04\x00\x00\x00\x00")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
}

func TestParseFrame(t *testing.T) {
	good := wire.Frame{Count: wire.MaxFrameFDs, Token: token, First: 1<<32 - 1}
	with := func(i int, b byte) []byte {
		frame := good.Bytes()
		frame[i] = b
		return frame
	}
	tests := []struct {
		name    string
		in      []byte
		wantErr string // empty means success
	}{
		{"good", good.Bytes(), ""},
		{"empty", nil, "bad descriptor frame: 0 bytes, want 32"},
		{"short", good.Bytes()[:31], "bad descriptor frame: 31 bytes, want 32"},
		{"long", append(good.Bytes(), 0), "bad descriptor frame: 33 bytes, want 32"},
		{"magic", with(0, 'X'), `bad descriptor frame: it begins "XFD1", want "RFD1"`},
		{"version", with(4, 2), "bad descriptor frame: version 2, want 1"},
		{"reserved byte", with(5, 1), "bad descriptor frame: reserved bytes are not zero"},
		{"reserved tail", with(31, 1), "bad descriptor frame: reserved bytes are not zero"},
		{"no descriptors", with(7, 0), "bad descriptor frame: 0 descriptors announced, want 1 to 64"},
		{"too many", with(7, wire.MaxFrameFDs+1), "bad descriptor frame: 65 descriptors announced, want 1 to 64"},
		{"far too many", with(6, 0xff), "bad descriptor frame: 65344 descriptors announced, want 1 to 64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.ParseFrame(tt.in)
			if tt.wantErr == "" {
				if err != nil || got != good {
					t.Fatalf("ParseFrame = %v, %v, want %v", got, err, good)
				}
				return
			}
			if err == nil || err.Error() != tt.wantErr || !errors.Is(err, wire.ErrFrame) {
				t.Errorf("ParseFrame error = %v, want %q that is ErrFrame", err, tt.wantErr)
			}
			if got != (wire.Frame{}) {
				t.Errorf("ParseFrame = %v beside an error", got)
			}
		})
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(wire.Frame{Count: 1, Token: token}.Bytes())
	f.Add([]byte("RFD1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := wire.ParseFrame(b)
		if err != nil {
			if !errors.Is(err, wire.ErrFrame) {
				t.Errorf("error %v is not ErrFrame", err)
			}
			return
		}
		if !bytes.Equal(frame.Bytes(), b) {
			t.Errorf("%x parses to %v, which is %x", b, frame, frame.Bytes())
		}
	})
}
