package listen

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// heard serves once and returns what is reported then or later.
func heard(t *testing.T, s *Server, clients int) <-chan Access {
	t.Helper()
	reported := make(chan Access, 2*clients)
	must(t, s.Serve(t.Context(), func(a Access) { reported <- a }))
	return reported
}

func next(t *testing.T, reported <-chan Access) Access {
	t.Helper()
	select {
	case a := <-reported:
		return a
	case <-time.After(10 * time.Second):
		t.Fatal("an access was not reported")
	}
	return Access{}
}

func dialed(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	return conn
}

func send(t *testing.T, conn net.Conn, data []byte) {
	t.Helper()
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		must(t, half.CloseWrite())
	}
}

// S69: what a client sends is reported with its access, and the client sees the
// end of the stream.
func TestS69Data(t *testing.T) {
	for _, tt := range transports {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			fd, facts := tt.open(fixture{t})
			s := newServer(t, fd, facts)
			s.WantData()
			for _, data := range [][]byte{[]byte("hello"), {0, 1, 0xff}, bytes.Repeat([]byte("x"), 20_000)} {
				conn := dialed(t, tt.network, facts.Local)
				send(t, conn, data)
				if a := next(t, heard(t, s, 1)); !bytes.Equal(a.Data, data) || a.Local != facts.Local {
					t.Errorf("%d bytes at %s, want %d at %s", len(a.Data), a.Local, len(data), facts.Local)
				}
				if facts.Stream {
					if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
						t.Errorf("the client reads %d bytes and %v, want the end", n, err)
					}
				}
			}
		})
	}
}

func TestDataIsBounded(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := listening(t, tcpWant("127.0.0.1:0"), boundTCP(t, loopback()))
	s := newServer(t, fd, facts)
	s.WantData()
	conn := dialed(t, "tcp", facts.Local)
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(bytes.Repeat([]byte("x"), MaxData+1000))
		sent <- err
	}()
	if a := next(t, heard(t, s, 1)); len(a.Data) != MaxData {
		t.Errorf("%d bytes, want %d", len(a.Data), MaxData)
	}
	must(t, <-sent)
}

// Who sends nothing keeps nobody else waiting, and not the server for ever.
func TestDataOfSilentClients(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := unixListener(t, "stream")
	s := newServer(t, fd, facts)
	s.WantData()
	s.patience = time.Hour
	dialed(t, "unix", facts.Local)
	send(t, dialed(t, "unix", facts.Local), []byte("whole"))
	reported := heard(t, s, 2)
	if a := next(t, reported); string(a.Data) != "whole" {
		t.Errorf("the first access has %q", a.Data)
	}
	// The end of the server is one of its patience too.
	s.Stop()
	if a := next(t, reported); len(a.Data) > 0 {
		t.Errorf("the access of the silent client has %q", a.Data)
	}
}

func TestDataOfManySilentClients(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := listening(t, tcpWant("127.0.0.1:0"), boundTCP(t, loopback()))
	s := newServer(t, fd, facts)
	s.WantData()
	s.patience = 10 * time.Millisecond
	const clients = maxReaders + 20
	for range clients {
		dialed(t, "tcp", facts.Local)
	}
	reported := make(chan Access, clients)
	for range 2 { // a turn takes 64
		must(t, s.Serve(t.Context(), func(a Access) { reported <- a }))
	}
	for range clients {
		next(t, reported)
	}
}

// The end of the socket frees a server that waits for a client to finish.
func TestDataReservationEndsWithContext(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := unixListener(t, "stream")
	s := newServer(t, fd, facts)
	s.WantData()
	s.patience = time.Hour
	for range maxReaders {
		s.readers <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dialed(t, "unix", facts.Local)
	must(t, s.Serve(ctx, func(a Access) { t.Errorf("access %+v", a) }))
}
