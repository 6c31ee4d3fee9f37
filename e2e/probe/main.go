// Command probe is the service of the end-to-end tests. It reports what it was
// given, serves every inherited socket, and ends when and how it is told to.
//
// One request is one line on a connection, or one datagram; so is its answer:
//
//	echo …      whatever follows
//	id          the -id of this process and its pid
//	report      an e2e.Report as JSON
//	flip FD     turns O_NONBLOCK of a descriptor over: "on" or "off"
//	shutdown FD calls shutdown(2) on a descriptor: "down"
//	exit CODE   "bye", and the process exits with CODE
//	notify …    sends what follows to NOTIFY_SOCKET, with newlines for "|", and
//	            answers once it has been carried out
//	store NAME  has a new file of that name stored
//	child …     notify from a process of its own
//
// SIGTERM ends it with status 0, between two requests.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	p := probe{}
	flag.StringVar(&p.id, "id", "", "name of this process in reports and answers")
	flag.StringVar(&p.reportTo, "report", "", "datagram socket that gets a report at the start")
	flag.IntVar(&p.requests, "requests", 0, "exit with -code after so many requests; 0: never")
	flag.IntVar(&p.code, "code", 0, "exit status after -requests and of -quit")
	flag.BoolVar(&p.quit, "quit", false, "exit right after the report, without serving")
	flag.StringVar(&p.say, "notify", "", "what to send to NOTIFY_SOCKET at the start, with newlines for \"|\"")
	flag.Parse()
	code, err := p.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		code = 70
	}
	os.Exit(code)
}

type probe struct {
	id, reportTo   string
	say            string
	requests, code int
	quit           bool

	served int
	ended  bool
	status int // once ended
}

// run returns the exit status.
func (p *probe) run() (int, error) {
	if p.reportTo != "" {
		if err := p.sendReport(); err != nil {
			return 0, err
		}
	}
	if p.say != "" {
		if err := notify(p.say); err != nil {
			return 0, err
		}
	}
	if p.quit {
		return p.code, nil
	}
	// A service without sockets runs until it is stopped, too. What LISTEN_FDS
	// counts beyond them are descriptors that it has stored.
	count, err := strconv.Atoi(os.Getenv("RIND_SOCKET_COUNT"))
	if err != nil {
		count = 0
	}
	err = p.loop(count)
	return p.status, err
}

// loop serves sockets until a request or SIGTERM ends it.
func (p *probe) loop(count int) error {
	term, err := terminations()
	if err != nil {
		return err
	}
	fds := make([]unix.PollFd, count, count+1)
	for i := range fds {
		fds[i] = unix.PollFd{Fd: int32(3 + i), Events: unix.POLLIN}
	}
	fds = append(fds, unix.PollFd{Fd: int32(term), Events: unix.POLLIN})
	for !p.ended {
		if _, err := unix.Poll(fds, -1); err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return fmt.Errorf("poll: %w", err)
		}
		if fds[count].Revents != 0 {
			return nil
		}
		for _, fd := range fds[:count] {
			if fd.Revents != 0 && !p.ended {
				if err := p.serve(int(fd.Fd)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// terminations returns a descriptor that can be read once SIGTERM has come.
func terminations() (int, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return -1, fmt.Errorf("pipe: %w", err)
	}
	came := make(chan os.Signal, 1)
	signal.Notify(came, unix.SIGTERM)
	go func() { // as long as the process
		<-came
		unix.Close(pipe[1])
	}()
	return pipe[0], nil
}

// serve handles one connection or one datagram of a socket.
func (p *probe) serve(fd int) error {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return fmt.Errorf("descriptor %d: %w", fd, err)
	}
	if listening == 0 {
		return p.serveDatagram(fd)
	}
	conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("accept on descriptor %d: %w", fd, err)
	}
	p.serveConn(conn)
	return unix.Close(conn)
}

// serveConn answers the one request of a connection. What goes wrong here is
// the client's business: the test sees it there.
func (p *probe) serveConn(conn int) {
	// A client that says nothing must not stop the service for ever.
	limit := unix.Timeval{Sec: 10}
	if unix.SetsockoptTimeval(conn, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit) != nil {
		return
	}
	var line []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(line), "\n") {
		n, err := unix.Read(conn, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		line = append(line, buf[:n]...)
	}
	request, _, _ := strings.Cut(string(line), "\n")
	answer := []byte(p.answer(request) + "\n")
	for len(answer) > 0 {
		n, err := unix.SendmsgN(conn, answer, nil, nil, unix.MSG_NOSIGNAL)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		answer = answer[n:]
	}
}

func (p *probe) serveDatagram(fd int) error {
	buf := make([]byte, 64<<10)
	n, from, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("receive on descriptor %d: %w", fd, err)
	}
	answer := p.answer(strings.TrimSuffix(string(buf[:n]), "\n"))
	if from != nil {
		// A client that is gone or has no address sees no answer.
		_ = unix.Sendto(fd, []byte(answer), unix.MSG_DONTWAIT, from)
	}
	return nil
}

// answer carries out one request.
func (p *probe) answer(request string) string {
	p.served++
	if p.served == p.requests {
		p.ended, p.status = true, p.code
	}
	command, arg, _ := strings.Cut(request, " ")
	n, numErr := strconv.Atoi(arg)
	switch {
	case command == "echo":
		return arg
	case command == "id":
		return fmt.Sprintf("%s %d", p.id, os.Getpid())
	case command == "report":
		text, err := p.report()
		if err != nil {
			return "error: " + err.Error()
		}
		return string(text)
	case command == "notify":
		return said(notify(arg))
	case command == "store":
		return said(store(arg))
	case command == "child":
		return said(notifyFromChild(arg))
	case command == "flip" && numErr == nil:
		return flip(n)
	case command == "shutdown" && numErr == nil:
		if err := unix.Shutdown(n, unix.SHUT_RDWR); err != nil {
			return "error: " + err.Error()
		}
		return "down"
	case command == "exit" && numErr == nil:
		p.ended, p.status = true, n
		return "bye"
	}
	return fmt.Sprintf("error: unknown request %q", request)
}

func flip(fd int) string {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return "error: " + err.Error()
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags^unix.O_NONBLOCK); err != nil {
		return "error: " + err.Error()
	}
	if flags&unix.O_NONBLOCK == 0 {
		return "on"
	}
	return "off"
}

func (p *probe) sendReport() error {
	text, err := p.report()
	if err != nil {
		return err
	}
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer unix.Close(sock)
	if err := unix.Sendto(sock, text, 0, &unix.SockaddrUnix{Name: p.reportTo}); err != nil {
		return fmt.Errorf("report to %s: %w", p.reportTo, err)
	}
	return nil
}

func (p *probe) report() ([]byte, error) {
	r, err := inspect()
	if err != nil {
		return nil, err
	}
	r.ID = p.id
	return json.Marshal(r)
}
