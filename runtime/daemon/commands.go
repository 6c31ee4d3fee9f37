package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/proc"
)

const (
	// maxCommands is how many programs of triggers run at a time; more wait for
	// their turn. Who may connect to a socket without owner decides how many are
	// asked for, but not how many processes the machine has.
	maxCommands = 64

	// killWait is how long a killed process may take to be gone.
	killWait = 2 * time.Second
)

// errEnding says that a program was not started because the daemon ends.
var errEnding = errors.New("the daemon ends")

// commands runs the programs of triggers, beside everything else and with no
// listener. They are started in the order in which they were asked for, and not
// waited for by anybody; a failure is worth a line in the log.
type commands struct {
	*runner

	environ []string
	slots   chan struct{} // has a token for each one that runs
	last    chan struct{} // closed when the last one has had its turn; the loop's
	all     sync.WaitGroup

	// before ends when a shutdown begins, and grace when its patience is over.
	// The programs of on-stop come between the two.
	before, grace   context.Context
	endBefore, kill context.CancelFunc
}

func newCommands(r *runner, environ []string) *commands {
	c := &commands{runner: r, environ: environ, slots: make(chan struct{}, maxCommands), last: make(chan struct{})}
	close(c.last) // nobody is before the first
	c.grace, c.kill = context.WithCancel(r.ctx)
	c.before, c.endBefore = context.WithCancel(c.grace)
	return c
}

// submit runs the program of a trigger. It does not block, and is called on the
// loop's goroutine.
func (c *commands) submit(cmd flow.RunCommand) {
	one := &command{
		commands: c, exec: cmd.Argv[0], args: cmd.Argv[1:], env: cmd.Env, who: slog.String("trigger", cmd.Cause),
		until: c.before, after: c.last, turn: make(chan struct{}),
	}
	if c.before.Err() != nil {
		one.until = c.grace // it belongs to the shutdown
	}
	c.last = one.turn
	c.all.Go(one.run)
}

// stopOthers begins a shutdown: programs that run get SIGTERM, those that wait
// for their turn are dropped. What is submitted later belongs to the shutdown.
func (c *commands) stopOthers() { c.endBefore() }

// finish waits until no program is left; those that still run when ctx ends are
// killed. Nothing may be submitted any more.
func (c *commands) finish(ctx context.Context) {
	done := make(chan struct{})
	c.tasks.Go(func() {
		c.all.Wait()
		close(done)
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
	c.kill()
	<-done
}

// command is one program of a trigger.
type command struct {
	*commands

	exec      string
	args, env []string
	who       slog.Attr

	until context.Context // then it gets SIGTERM, or is not started at all
	after <-chan struct{} // closed when the one before has had its turn
	turn  chan struct{}   // closed when this one has
}

// run is the life of the program.
func (c *command) run() {
	<-c.after
	process, err := c.launch()
	close(c.turn)
	if err != nil {
		c.failed(slog.Any("error", err))
		return
	}
	exit, err := c.wait(process)
	c.bury(process, c.who)
	<-c.slots
	switch {
	case err != nil:
		c.complain(c.who, err)
	case exit != (proc.Exit{}):
		c.failed(slog.String("exit", exit.String()))
	}
}

// launch starts the program as soon as there is a slot for it. The slot is the
// caller's to free, unless there is an error.
func (c *command) launch() (*proc.Process, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	process, err := c.start(&proc.Spec{
		Name: "trigger command", Exec: c.exec, Args: c.args,
		Env: lastWins(append(slices.Clone(c.environ), c.env...)),
	}, c.who)
	if err != nil {
		<-c.slots
	}
	return process, err
}

func (c *command) enter() error {
	if c.until.Err() != nil {
		return errEnding
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	default:
	}
	c.log.LogAttrs(c.ctx, slog.LevelWarn, "trigger command waits for others to end", c.who, slog.Int("running", maxCommands))
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-c.until.Done():
		return errEnding
	}
}

// wait waits for the end of the program, and brings it about when the daemon
// ends. Each stage ends at once if the program has ended already.
func (c *command) wait(process *proc.Process) (proc.Exit, error) {
	if exit, err := process.Wait(c.until); c.until.Err() == nil {
		return exit, err
	}
	c.signal(process, syscall.SIGTERM, c.who)
	if exit, err := process.Wait(c.grace); c.grace.Err() == nil {
		return exit, err
	}
	c.signal(process, syscall.SIGKILL, c.who)
	last, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), killWait)
	defer cancel()
	return process.Wait(last)
}

func (c *command) failed(why slog.Attr) {
	c.log.LogAttrs(c.ctx, slog.LevelWarn, "trigger command failed", c.who, slog.String("exec", c.exec), why)
}
