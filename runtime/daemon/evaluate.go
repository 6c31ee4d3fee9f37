package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/proc"
)

const (
	// maxEvaluations is how many programs run at a time for what they print.
	maxEvaluations = 16

	// maxEvaluated is how much one may print.
	maxEvaluated = 1 << 20

	// evaluationTimeout is for an evaluation that has none of its own.
	evaluationTimeout = 30 * time.Second
)

// evaluations run programs for what they print. What a program says on standard
// error is logged.
type evaluations struct {
	*runner

	environ []string
	slots   chan struct{}
	post    func(flow.Event)
}

func newEvaluations(r *runner, environ []string, post func(flow.Event)) *evaluations {
	return &evaluations{runner: r, environ: environ, slots: make(chan struct{}, maxEvaluations), post: post}
}

// submit runs a program. It does not block. The answer comes in any case, unless
// the daemon has ended.
func (e *evaluations) submit(f flow.Evaluate) {
	e.tasks.Go(func() {
		select {
		case e.slots <- struct{}{}:
		case <-e.ctx.Done():
			return // there is nobody to answer any more
		}
		defer func() { <-e.slots }()
		answer := flow.Evaluated{Eval: f.Eval}
		var err error
		if answer.Output, err = e.run(f); err != nil {
			answer.Output, answer.Reason = nil, err.Error()
		}
		e.post(answer)
	})
}

// run returns what the program printed, if it succeeded.
func (e *evaluations) run(f flow.Evaluate) ([]byte, error) {
	timeout := f.Timeout
	if timeout <= 0 {
		timeout = evaluationTimeout
	}
	ctx, cancel := context.WithTimeoutCause(e.ctx, timeout, fmt.Errorf("not done within %s, killed", timeout))
	defer cancel()
	who := slog.String("evaluation", f.Cause)
	stdout, err := proc.OpenOutput()
	if err != nil {
		return nil, err
	}
	stderr, err := proc.OpenOutput()
	if err != nil {
		return nil, errors.Join(err, stdout.Close())
	}
	process, err := proc.Start(&proc.Spec{
		Name: "evaluation", Exec: f.Exec, Args: f.Args, Env: e.environ,
		Stdin: proc.Null, Stdout: stdout.FD(), Stderr: stderr.FD(),
	})
	if err != nil {
		return nil, also(err, errors.Join(stdout.Close(), stderr.Close()))
	}
	e.print(stderr, who, process.PID())
	// Whatever it is that ends the output, the program ends with it: nobody would
	// read what it prints.
	var output []byte
	var outErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		if output, outErr = stdout.Collect(ctx, maxEvaluated); outErr != nil {
			cancel()
		}
	})
	exit, err := process.Wait(ctx)
	e.signal(process, syscall.SIGKILL, who) // what it has left would keep its output open
	reading.Wait()
	if err != nil {
		e.lastWait(process, who)
	}
	e.complain(who, process.Close())
	return output, evaluated(ctx, f.Exec, exit, err, outErr)
}

// lastWait waits for a process that was killed.
func (e *evaluations) lastWait(process *proc.Process, who slog.Attr) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), killWait)
	defer cancel()
	_, err := process.Wait(ctx)
	e.complain(who, err)
}

// evaluated says why what a program printed is of no use, or nil.
func evaluated(ctx context.Context, exec string, exit proc.Exit, waitErr, outErr error) error {
	var err error
	switch {
	case outErr != nil && ctx.Err() != nil && !errors.Is(outErr, context.Cause(ctx)):
		err = outErr
	case waitErr != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	case waitErr != nil:
		err = waitErr
	case exit != (proc.Exit{}):
		err = errors.New(exit.String())
	case outErr != nil:
		err = outErr
	default:
		return nil
	}
	return fmt.Errorf("%s: %w", exec, err)
}
