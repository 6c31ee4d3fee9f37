// Command activationd is a service built on the activation package of
// coreos/go-systemd, as many Go daemons are: it finds its sockets with that
// package alone, and answers every line or datagram with the name of the socket.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "activationd:", err)
		os.Exit(1)
	}
}

func run() error {
	// Each file by its name; the package closes what it hands out twice, so the
	// two kinds are told apart here.
	files := activation.Files(true)
	if len(files) == 0 {
		return fmt.Errorf("no sockets: LISTEN_FDS=%q LISTEN_PID=%q pid %d",
			os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID"), os.Getpid())
	}
	failed := make(chan error)
	for _, file := range files {
		go func() { failed <- serve(file) }()
	}
	return <-failed
}

func serve(file *os.File) error {
	answer := []byte(file.Name() + "\n")
	if listener, err := net.FileListener(file); err == nil {
		return serveStream(listener, answer)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return fmt.Errorf("%s is no socket that can be served: %w", file.Name(), err)
	}
	buf := make([]byte, 1024)
	for {
		_, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		// A client that is gone is no reason to stop serving the others.
		_, _ = conn.WriteTo(answer, from)
	}
}

func serveStream(listener net.Listener, answer []byte) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
			_, _ = conn.Write(answer) // as above
		}
		conn.Close()
	}
}
