package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	sdnotify "github.com/coreos/go-systemd/v22/daemon"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/proc"
)

// notifyWith sends a message with descriptors, and waits until the daemon has
// carried it out.
func notifyWith(text string, fds ...int) error {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	to := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(s, []byte(text), oob, to, 0); err != nil {
		return err
	}
	return barrier(s, to)
}

func barrier(s int, to unix.Sockaddr) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(pipe[0])
	err := unix.Sendmsg(s, []byte("BARRIER=1"), unix.UnixRights(pipe[1]), to, 0)
	if err = errors.Join(err, unix.Close(pipe[1])); err != nil {
		return err
	}
	fds := []unix.PollFd{{Fd: int32(pipe[0])}} // a hang-up always shows
	for {
		n, err := unix.Poll(fds, int(limit.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return errors.New("the barrier does not open")
		default:
			return nil
		}
	}
}

// playKeep says which descriptors it got. With none it gives two away to get them
// back; with some it takes one of them back for good.
func playKeep() error {
	var got []string
	for _, f := range activation.Files(false) {
		got = append(got, f.Name())
	}
	if err := say(fmt.Sprintf("kept %s sockets %s of %s", strings.Join(got, ","), os.Getenv("RIND_SOCKET_NAMES"), os.Getenv("FDSTORE"))); err != nil {
		return err
	}
	if len(got) > 1 {
		return errors.Join(notifyWith("FDSTOREREMOVE=1\nFDNAME=b"), say("gave back"), playServe())
	}
	a, err := unix.MemfdCreate("a", 0)
	if err != nil {
		return err
	}
	b, err := unix.MemfdCreate("b", 0)
	if err != nil {
		return err
	}
	err = errors.Join(
		notifyWith("FDSTORE=1\nFDNAME=a", a), notifyWith("FDSTORE=1\nFDNAME=b", b),
		notifyWith("STATUS=these are not stored", a, b),
	)
	return errors.Join(err, say("gave away"), playServe())
}

// playFork makes its child the main process, and ends.
func playFork() error {
	c := child("sleep")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as daemons do
	if err := c.Start(); err != nil {
		return err
	}
	pid := c.Process.Pid
	if err := notifyWith("MAINPID=" + strconv.Itoa(pid)); err != nil {
		return err
	}
	return errors.Join(say("first "+strconv.Itoa(os.Getpid())), say("main "+strconv.Itoa(pid)))
}

// playIntruder wants to speak for a service that it does not belong to.
func playIntruder() error {
	_, err := sdnotify.SdNotify(false, "MAINPID="+strconv.Itoa(os.Getppid()))
	return err
}

// speaking returns a service that has a socket to say something.
func speaking(b *bed, name plan.Name, play string) plan.Service {
	return plan.Service{
		Name: name, Run: []plan.Command{b.play(play)},
		Watchdog: &plan.Watchdog{Interval: plan.Duration(time.Hour), Grace: plan.Duration(time.Hour), Action: "stop"},
	}
}

// runService runs a daemon with some services, and starts the first.
func runService(t *testing.T, services func(b *bed) []plan.Service) *bed {
	t.Helper()
	b := newBed(t, &plan.Plan{})
	b.opts.Plan.Services = services(b)
	b.startPlan()
	b.mustStart(b.opts.Plan.Services[0].Name)
	return b
}

// startPlan starts the daemon with a plan that was made after the bed.
func (b *bed) startPlan() {
	b.t.Helper()
	b.opts.Plan.Requires = b.opts.Plan.Needs()
	must(b.t, b.opts.Plan.Validate())
	b.start()
}

func (b *bed) mustStart(name plan.Name) {
	b.t.Helper()
	if r := b.startService(name); r.GetOutcome() != controlv1.Outcome_OUTCOME_DONE {
		b.t.Fatalf("start of %s: %s", name, r.GetMessage())
	}
}

func (b *bed) mustStop(name plan.Name) {
	b.t.Helper()
	resp, err := b.client.Stop(b.t.Context(), &controlv1.StopRequest{Kind: controlv1.UnitKind_UNIT_KIND_SERVICE, Names: []string{string(name)}})
	must(b.t, err)
	if r := resp.GetResults()[0]; r.GetOutcome() != controlv1.Outcome_OUTCOME_DONE {
		b.t.Fatalf("stop of %s: %s", name, r.GetMessage())
	}
}

// Descriptors that a service gives away come back at its next start, after its
// sockets and with their names, until it removes them.
func TestS159DescriptorStore(t *testing.T) {
	b := newBed(t, &plan.Plan{})
	b.opts.Plan.Services = []plan.Service{speaking(b, "t@app", "keep")}
	b.opts.Plan.Sockets = []plan.Socket{{
		Name: "t@sock", Type: "uds", Listen: b.file("sock.sock"), Owner: "t@app", Lifecycle: plan.Owned, Enabled: true, FDName: "sock",
	}}
	b.opts.Plan.Transports = []plan.Transport{{Name: "uds", Version: "0"}}
	b.startPlan()
	for n, step := range []struct{ first, then string }{
		{"kept sock sockets sock of 128", "gave away"},
		{"kept sock,a,b sockets sock of 128", "gave back"},
		{"kept sock,a sockets sock of 128", ""},
	} {
		b.mustStart("t@app")
		b.awaitLines(step.first, 1)
		if step.then != "" {
			b.awaitLines(step.then, 1)
		}
		if n < 2 {
			b.mustStop("t@app")
		}
	}
}

// A service whose first process ends lives as long as its main process does, and
// is stopped with it.
func TestS159MainPID(t *testing.T) {
	b := runService(t, func(b *bed) []plan.Service { return []plan.Service{speaking(b, "t@app", "fork")} })
	pid, err := strconv.Atoi(b.said("main"))
	must(t, err)
	first, err := strconv.Atoi(b.said("first"))
	must(t, err)
	b.poll(func() bool { return zombie(first) }, func() string { return "the first process has ended" })
	if s := b.status().GetServices()[0].GetState(); s != "active" {
		t.Errorf("the service is %s while its main process runs", s)
	}
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	b.await("the service is down", func(st *controlv1.StatusResponse) bool {
		return st.GetServices()[0].GetState() != "active"
	})
}

func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && strings.HasPrefix(rest, "Z")
}

// Nobody but a service says anything for it, not even root.
func TestS159Intruder(t *testing.T) {
	b := runService(t, func(b *bed) []plan.Service { return []plan.Service{speaking(b, "t@app", "serve")} })
	b.awaitLines("serve", 1)
	entries, err := os.ReadDir(b.file("run/notify"))
	must(t, err)
	if len(entries) != 1 {
		t.Fatalf("%d sockets, want one", len(entries))
	}
	c := child("intruder")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+b.file("run/notify/"+entries[0].Name()))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.poll(func() bool { return strings.Contains(b.log.String(), "message of a service is wrong") },
		func() string { return "the log tells of the message" })
	if text := b.log.String(); !strings.Contains(text, fmt.Sprintf("process %d", c.Process.Pid)) {
		t.Error("the log does not say who it was")
	}
}

// With a control group nothing of a service survives it, whatever it has done to
// leave.
func TestGroupOfServiceIsCleared(t *testing.T) {
	groups, err := proc.OpenCgroups()
	if err != nil {
		t.Skip(err)
	}
	must(t, groups.Close())
	b := runService(t, func(b *bed) []plan.Service {
		return []plan.Service{{Name: "t@app", Run: []plan.Command{b.play("escape")}}}
	})
	pid, err := strconv.Atoi(b.said("escaped"))
	must(t, err)
	b.mustStop("t@app")
	if err := syscall.Kill(pid, 0); err == nil && !zombie(pid) {
		t.Errorf("process %d outlives its service", pid)
	}
	if !strings.Contains(b.log.String(), "services are held together by control groups") {
		t.Error("the log does not say so")
	}
}

// script returns a service that runs a shell.
func shellService(name plan.Name, text string) plan.Service {
	return plan.Service{Name: name, Run: []plan.Command{{Exec: "/bin/sh", Args: []string{"-c", text}}}}
}

// awaitFile waits for a file to have some text.
func (b *bed) awaitFile(name, want string) {
	b.t.Helper()
	b.awaitText(name, func(text string) bool { return text == want })
}

func TestServiceSetup(t *testing.T) {
	b := newBed(t, &plan.Plan{})
	must(t, os.WriteFile(b.file("env"), []byte("# of the test\nA='from file' \\\n B\nB=file\nnonsense\nC=\"x y\"\n"), 0o600))
	must(t, os.Mkdir(b.file("dir"), 0o755))
	svc := shellService("t@app", `umask; pwd; ulimit -Sn; ulimit -Hn; echo "$A|$B|$C"; echo problem >&2`)
	svc.Umask, svc.EnvFile, svc.WorkingDir = "0027", b.file("env"), b.file("dir")
	svc.Limits = map[string]plan.Limit{"nofile": {Soft: 40, Hard: 50}, "core": {Soft: 0, Hard: plan.Infinity}}
	svc.Run[0].Env = map[string]string{"B": "unit"}
	svc.Stdout = plan.Output{To: "file", File: b.file("out")}
	svc.Stderr = svc.Stdout
	b.opts.Plan.Services = []plan.Service{svc}
	b.startPlan()
	b.mustStart("t@app")
	want := "0027\n" + b.file("dir") + "\n40\n50\nfrom file B|unit|x y\nproblem\n"
	b.awaitFile("out", want)
	b.poll(func() bool { return strings.Contains(b.log.String(), "line of env-file ignored") }, func() string { return "a warning" })

	// Both are read and written anew at every start.
	b.await("it has ended", func(st *controlv1.StatusResponse) bool { return st.GetServices()[0].GetState() == "inactive" })
	must(t, os.WriteFile(b.file("env"), []byte("A=other\n"), 0o600))
	b.mustStart("t@app")
	b.awaitFile("out", want+strings.Replace(want, "from file B|unit|x y", "other|unit|", 1))
}

func TestServiceSetupErrors(t *testing.T) {
	b := newBed(t, &plan.Plan{})
	must(t, os.Symlink(b.file("target"), b.file("link")))
	must(t, os.WriteFile(b.file("bad"), []byte("A=1\nB=\x00\n"), 0o600))
	tests := []struct {
		name   plan.Name
		change func(s *plan.Service)
		want   string
	}{
		{"t@no-file", func(s *plan.Service) { s.EnvFile = b.file("none") }, "service t@no-file: env-file: open " + b.file("none") + ": no such file or directory"},
		{"t@bad-file", func(s *plan.Service) { s.EnvFile = b.file("bad") }, "service t@bad-file: env-file " + b.file("bad") + ":2: a NUL byte: not a text file"},
		{"t@dir-file", func(s *plan.Service) { s.EnvFile = b.dir }, "service t@dir-file: env-file: " + b.dir + " is no regular file"},
		{"t@no-dir", func(s *plan.Service) { s.WorkingDir = b.file("none") }, "service t@no-dir: chdir " + b.file("none") + ": no such file or directory"},
		{
			"t@link",
			func(s *plan.Service) { s.Stdout = plan.Output{To: "file", File: b.file("link")} },
			"service t@link: output file " + b.file("link") + ": is a symbolic link: name what it leads to",
		},
		{
			"t@folder",
			func(s *plan.Service) { s.Stderr = plan.Output{To: "file", File: b.dir} },
			"service t@folder: output file " + b.dir + ": is a directory",
		},
	}
	for _, tt := range tests {
		svc := shellService(tt.name, "true")
		tt.change(&svc)
		b.opts.Plan.Services = append(b.opts.Plan.Services, svc)
	}
	b.startPlan()
	for _, tt := range tests {
		t.Run(string(tt.name), func(t *testing.T) {
			r := b.startService(tt.name)
			if r.GetOutcome() != controlv1.Outcome_OUTCOME_FAILED || !strings.Contains(r.GetMessage(), tt.want) {
				t.Errorf("start of %s: %v %s, want %s", tt.name, r.GetOutcome(), r.GetMessage(), tt.want)
			}
		})
	}
	if entries, err := os.ReadDir(b.file("run/notify")); err == nil && len(entries) > 0 {
		t.Errorf("sockets are left: %v", entries)
	}
}

// A socket that somebody reads at the other end is no place to write a log to.
func TestOutputFileKinds(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	reader, err := unix.Open(dir+"/fifo", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(reader)
	l, err := (&net.ListenConfig{}).Listen(context.WithoutCancel(t.Context()), "unix", dir+"/sock")
	must(t, err)
	defer l.Close()
	got := map[string]string{}
	for _, name := range []string{"fifo", "sock", "new", "/dev/null"} {
		path := name
		if name[0] != '/' {
			path = dir + "/" + name
		}
		fd, err := openOutputFile(path)
		if err == nil {
			unix.Close(fd)
		}
		got[name] = strings.ReplaceAll(fmt.Sprint(err), dir, "DIR")
	}
	const kind = ": neither a regular file nor a device"
	want := map[string]string{
		"fifo": "output file DIR/fifo" + kind, "sock": "output file DIR/sock" + kind, "new": "<nil>", "/dev/null": "<nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Stat(dir + "/new"); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("a new file: %v, %v", info.Mode(), err)
	}
}

// A service that belongs to a user runs as that user, in the home directory, with
// what its session would have; the instance has the last word.
func TestSpecOfUserService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give a service another user")
	}
	nobody, err := lookupIdentity("nobody", "")
	must(t, err)
	l := &life{processes: &processes{environ: []string{"USER=root", "XDG_RUNTIME_DIR=/run/user/0", "A=daemon"}}}
	def := plan.Service{Name: "t@app", User: "root", Space: &plan.Space{State: "t@session", Field: "name"}}
	command := plan.Command{Exec: "true", Env: map[string]string{"A": "unit", "B": "unit"}}
	spec, err := l.spec(&def, flow.Spawn{User: "nobody", Command: command, Env: []string{"B=instance"}})
	must(t, err)
	if spec.Cred == nil || spec.Cred.UID != nobody.cred.UID || spec.Cred.GID != nobody.cred.GID {
		t.Errorf("it runs as %+v, want %+v", spec.Cred, nobody.cred)
	}
	if spec.Dir != nobody.home {
		t.Errorf("it begins in %q, want %q", spec.Dir, nobody.home)
	}
	want := append(slices.Clone(nobody.env), "A=unit", "B=instance")
	if diff := cmp.Diff(want, spec.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

// Without a control group a main process that has left the group is signalled by
// itself.
func TestSignalReachesAdoptedMainProcess(t *testing.T) {
	checkLeaks(t)
	out, err := proc.OpenOutput()
	must(t, err)
	first, err := proc.Start(&proc.Spec{
		Name: "test", Exec: "/bin/sh", Args: []string{"-c", "setsid sh -c 'echo $$; exec sleep 1000' & wait"},
		Env: []string{"PATH=/bin:/usr/bin"}, Stdin: proc.Null, Stdout: out.FD(), Stderr: proc.Null,
	})
	must(t, err)
	pids := make(chan string, 1)
	read := make(chan error, 1)
	go func() { read <- out.Run(t.Context(), func(line []byte) { pids <- string(line) }) }()
	pid, err := strconv.Atoi(<-pids)
	must(t, err)
	pidfd, err := unix.PidfdOpen(pid, 0)
	must(t, err)
	defer unix.Close(pidfd)
	main, err := proc.Adopt(pidfd)
	must(t, err)
	var log logBuffer
	l := &life{
		processes: &processes{runner: &runner{ctx: t.Context(), log: slog.New(slog.NewTextHandler(&log, nil))}},
		who:       slog.String("service", "test"), first: first, main: main, adopted: []*proc.Process{main},
	}
	l.signal(syscall.SIGTERM)
	for _, p := range []*proc.Process{main, first} {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	must(t, <-read)
	must(t, l.close())
	must(t, first.Close())
	if log.String() != "" {
		t.Errorf("the log: %s", &log)
	}
}
