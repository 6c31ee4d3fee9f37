// Package wire has what the two ends of the transport protocol share besides
// the gRPC service: names in the environment, and the frame that carries
// descriptors over the inherited channel.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What a plugin finds in its environment. The names are part of the protocol.
const (
	// CookieKey and CookieValue tell a plugin that a host started it. They are
	// a courtesy to whoever runs a plugin by hand, not a secret.
	CookieKey   = "RIND_TRANSPORT_PLUGIN"
	CookieValue = "rind.transport"

	// FDKey names the variable with the number of the inherited channel.
	FDKey = "RIND_PLUGIN_FD"

	// ProtocolVersion is the application protocol of go-plugin and the version
	// of the protobuf package.
	ProtocolVersion = 1

	// PluginName is the key of the plugin in go-plugin's plugin set.
	PluginName = "transport"
)

// FrameSize is the length of the header of every message on the channel.
const FrameSize = 32

// MaxFrameFDs is the largest number of descriptors in one message: as fast as
// any larger one, and far from the kernel's limit of 253.
const MaxFrameFDs = 64

const (
	frameMagic   = "RFD1"
	frameVersion = 1
)

// Token ties descriptors to the call that asked for them. The host chooses it.
type Token [16]byte

// Frame is the header of one message: Count descriptors for the call with this
// Token, the first of them for item First among the items that succeeded.
//
//	0..3 "RFD1" | 4 version | 5 zero | 6..7 count | 8..23 token | 24..27 first | 28..31 zero
//
// Numbers are big-endian.
type Frame struct {
	Count uint16
	Token Token
	First uint32
}

// ErrFrame is wrapped by every error of [ParseFrame].
var ErrFrame = errors.New("bad descriptor frame")

// Bytes returns the frame as it is sent.
func (f Frame) Bytes() []byte {
	b := make([]byte, FrameSize)
	copy(b, frameMagic)
	b[4] = frameVersion
	binary.BigEndian.PutUint16(b[6:], f.Count)
	copy(b[8:], f.Token[:])
	binary.BigEndian.PutUint32(b[24:], f.First)
	return b
}

// ParseFrame reads a frame and refuses everything that Bytes would not make.
func ParseFrame(b []byte) (Frame, error) {
	switch {
	case len(b) != FrameSize:
		return Frame{}, fmt.Errorf("%w: %d bytes, want %d", ErrFrame, len(b), FrameSize)
	case string(b[:4]) != frameMagic:
		return Frame{}, fmt.Errorf("%w: it begins %q, want %q", ErrFrame, b[:4], frameMagic)
	case b[4] != frameVersion:
		return Frame{}, fmt.Errorf("%w: version %d, want %d", ErrFrame, b[4], frameVersion)
	case b[5] != 0 || binary.BigEndian.Uint32(b[28:]) != 0:
		return Frame{}, fmt.Errorf("%w: reserved bytes are not zero", ErrFrame)
	}
	f := Frame{
		Count: binary.BigEndian.Uint16(b[6:]),
		Token: Token(b[8:24]),
		First: binary.BigEndian.Uint32(b[24:]),
	}
	if f.Count == 0 || f.Count > MaxFrameFDs {
		return Frame{}, fmt.Errorf("%w: %d descriptors announced, want 1 to %d", ErrFrame, f.Count, MaxFrameFDs)
	}
	return f, nil
}
