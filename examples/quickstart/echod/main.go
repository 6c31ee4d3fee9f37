// Command echod is the service of the quick start: it serves every socket that
// it inherits, and answers each line or datagram with the same text and who it
// was that answered. It shows all that a service has to do to be activated: no
// library, only the environment (sd_listen_fds(3)).
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// firstFD is the first inherited descriptor (SD_LISTEN_FDS_START).
const firstFD = 3

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "echod:", err)
		os.Exit(1)
	}
}

// run serves until the first socket fails; rindrun ends the process with
// SIGTERM.
func run() error {
	// LISTEN_PID guards against descriptors that were meant for a parent.
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return errors.New("no sockets were passed to this process: it is started by rindrun")
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	count, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || count < 1 || count != len(names) {
		return fmt.Errorf("LISTEN_FDS=%q does not fit LISTEN_FDNAMES=%q",
			os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES"))
	}
	fmt.Printf("pid %d inherited %d socket(s): %s\n", os.Getpid(), count, strings.Join(names, ", "))

	failed := make(chan error)
	for i, name := range names {
		file := os.NewFile(uintptr(firstFD+i), name)
		who := fmt.Sprintf("pid %d, descriptor %d, socket %q", os.Getpid(), firstFD+i, name)
		go func() { failed <- serve(file, who) }()
	}
	return <-failed
}

// serve answers on one socket, whichever of the two kinds it is.
func serve(file *os.File, who string) error {
	if listener, err := net.FileListener(file); err == nil {
		return serveStream(listener, who)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return fmt.Errorf("%s is no socket that can be served: %w", file.Name(), err)
	}
	return serveDatagrams(conn, who)
}

func serveStream(listener net.Listener, who string) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if _, err := fmt.Fprintf(conn, "%s (%s)\n", lines.Text(), who); err != nil {
					return // the client is gone
				}
			}
		}()
	}
}

func serveDatagrams(conn net.PacketConn, who string) error {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		text := strings.TrimSuffix(string(buf[:n]), "\n")
		// A client that is gone is no reason to stop serving the others.
		_, _ = conn.WriteTo(fmt.Appendf(nil, "%s (%s)\n", text, who), from)
	}
}
