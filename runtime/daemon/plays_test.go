package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// plays are the services of the tests, played by the test binary. BED is the
// folder of the test.
var plays = map[string]func() error{
	"once":     playOnce,
	"serve":    playServe,
	"stubborn": playStubborn,
	"leave":    playLeave,
	"escape":   playEscape,
	"sleep":    playSleep,
	"closed":   playClosed,
	"keep":     playKeep,
	"fork":     playFork,
	"intruder": playIntruder,
}

// inheritance is what a service sees of its start.
type inheritance struct {
	PID      int
	Env      map[string]string
	Files    []string // of the descriptors from 3 on, "socket" or what else it is
	Stdin    string
	Dir      string
	UID, GID int
}

func inspect() (inheritance, error) {
	in := inheritance{PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Env: map[string]string{}}
	for _, kv := range os.Environ() {
		key, value, _ := strings.Cut(kv, "=")
		in.Env[key] = value
	}
	var err error
	if in.Dir, err = os.Getwd(); err != nil {
		return in, err
	}
	if in.Stdin, err = os.Readlink("/proc/self/fd/0"); err != nil {
		return in, err
	}
	for fd := 3; fd < 64; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 { // not inherited, but of the Go runtime
			continue
		}
		link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			return in, err
		}
		kind, _, _ := strings.Cut(link, ":")
		in.Files = append(in.Files, fmt.Sprintf("%d %s", fd, kind))
	}
	return in, nil
}

// playOnce answers one connection to descriptor 3 with what it sees, and exits.
func playOnce() error {
	in, err := inspect()
	if err != nil {
		return err
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		return err
	}
	return json.NewEncoder(conn).Encode(in)
}

// playServe says that it runs, and runs until it is told to end.
func playServe() error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	if err := say("serve"); err != nil {
		return err
	}
	<-end
	return nil
}

// playStubborn does not end when it is told to, and neither does its child.
func playStubborn() error {
	signal.Ignore(syscall.SIGTERM)
	if err := child("sleep").Start(); err != nil {
		return err
	}
	if err := say("stubborn"); err != nil {
		return err
	}
	select {}
}

// playLeave exits and leaves a child in its group.
func playLeave() error {
	c := child("sleep")
	if err := c.Start(); err != nil {
		return err
	}
	return say("left " + strconv.Itoa(c.Process.Pid))
}

// playEscape leaves a child that is in a session of its own and holds the output
// open. The test ends it.
func playEscape() error {
	c := child("sleep")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	if err := say("escaped " + strconv.Itoa(c.Process.Pid)); err != nil {
		return err
	}
	return playServe()
}

// playClosed closes its output and goes on.
func playClosed() error {
	if err := errors.Join(os.Stdout.Close(), os.Stderr.Close()); err != nil {
		return err
	}
	return playServe()
}

func playSleep() error {
	signal.Ignore(syscall.SIGTERM)
	select {}
}

// child returns the command of another play, without the output of this one.
func child(mode string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = []string{modeEnv + "=" + mode, "BED=" + os.Getenv("BED")}
	return c
}

// say appends a line to the file that the test looks at.
func say(text string) error {
	f, err := os.OpenFile(filepath.Join(os.Getenv("BED"), "said"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text+"\n")
	return errors.Join(err, f.Close())
}

func stacks(buf []byte) int { return runtime.Stack(buf, true) }
