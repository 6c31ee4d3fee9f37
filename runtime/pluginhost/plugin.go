package pluginhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// pluginsDir is below the runtime directory.
const pluginsDir = "plugins"

// plugin is what the host knows of one transport's plugin, over all of its
// processes. At most one of them exists at a time.
type plugin struct {
	host *Host
	name string
	log  *slog.Logger

	// turn is held by whoever decides which process serves, and starts it.
	turn chan struct{}

	mu         sync.Mutex
	path       string
	cur        *instance // the last one that was started; it may have ended
	launches   uint64
	violations uint64
	lastErr    error
	breaker    breaker
}

func newPlugin(h *Host, name string) *plugin {
	return &plugin{
		host: h,
		name: name,
		log:  h.opts.Log.With(slog.String("plugin", name)),
		turn: make(chan struct{}, 1),
	}
}

// running returns a process that serves, started if need be: then fresh is true.
func (p *plugin) running(ctx context.Context, t Transport) (in *instance, fresh bool, err error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, false, p.gaveUp(ctx)
	}
	in = p.current()
	if in != nil && t.Checksum != "" && in.checksum != t.Checksum {
		in.quit() // it was started for another plan
	}
	if in == nil || in.stopping() || in.proc.reason() != nil {
		fresh = true
		if in, err = p.next(ctx, in, t.Checksum); err != nil {
			return nil, false, err
		}
	}
	if err := in.checkManifest(t.Manifest); err != nil {
		p.note(err)
		return nil, false, err
	}
	return in, fresh, nil
}

// next starts the successor of a process that has ended or has to end, if there
// was one.
func (p *plugin) next(ctx context.Context, old *instance, checksum string) (*instance, error) {
	if old != nil {
		// Its directory is in the way until it is gone.
		select {
		case <-old.done:
		case <-ctx.Done():
			return nil, p.gaveUp(ctx)
		}
	}
	if err := p.mayStart(time.Now()); err != nil {
		return nil, err
	}
	in, err := p.launch(ctx, checksum)
	if err != nil {
		p.note(err)
	}
	return in, err
}

// mayStart applies the rule about crashes.
func (p *plugin) mayStart(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.breaker.wait(now)
	if left == 0 {
		return nil
	}
	return &PluginError{
		Transport: p.name,
		Path:      p.path,
		After:     left,
		Err:       fmt.Errorf("it keeps failing and is not started for another %v; last: %w", left.Round(time.Millisecond), p.lastErr),
	}
}

// launch starts a process and returns it when it has said who it is.
func (p *plugin) launch(ctx context.Context, checksum string) (*instance, error) {
	path, err := p.host.Find(p.name)
	if err != nil {
		return nil, err
	}
	prog := program{path: path, image: -1}
	if checksum != "" {
		if prog, err = seal(ctx, path, checksum); err != nil {
			return nil, p.failure(ctx, path, err)
		}
	}
	defer prog.close()
	dir, err := p.prepareDir()
	if err != nil {
		return nil, &PluginError{Transport: p.name, Path: path, Err: err}
	}
	in := newInstance(p, prog, dir)
	in.checksum = checksum
	p.mu.Lock()
	p.path = path
	p.mu.Unlock()

	err = in.start(ctx)
	if in.proc.ID() == "" { // and so there is an error
		return nil, p.failure(ctx, path, errors.Join(err, os.RemoveAll(dir)))
	}
	p.mu.Lock()
	p.cur = in
	p.launches++
	p.mu.Unlock()
	go in.supervise()
	if err == nil {
		err = in.describe(ctx)
	}
	if err == nil {
		p.log.LogAttrs(ctx, slog.LevelInfo, "plugin started",
			slog.String("path", path), slog.String("version", in.version), slog.String("pid", in.proc.ID()))
		return in, nil
	}
	if ctx.Err() != nil {
		in.quit() // no fault of its own
	}
	in.proc.fail(err)
	// Not ctx, which may be over: a killed process is gone at once, and with it
	// come its last words.
	wait(in.done, time.Second)
	return nil, p.failure(ctx, path, in.whyEnded())
}

// failure is the error of a launch.
func (p *plugin) failure(ctx context.Context, path string, err error) error {
	if ctx.Err() != nil {
		return p.gaveUp(ctx)
	}
	return &PluginError{Transport: p.name, Path: path, Err: err}
}

// prepareDir makes the plugin's directory anew.
func (p *plugin) prepareDir() (string, error) {
	dir, err := filepath.Abs(filepath.Join(p.host.opts.RuntimeDir, pluginsDir, p.name))
	if err != nil {
		return "", err
	}
	if n := len(dir) + len("/") + len(socketName); n > maxSocketPath {
		return "", fmt.Errorf("its socket in %s would have a path of %d bytes, %d are possible (choose a shorter --runtime-dir)",
			dir, n, maxSocketPath)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("remove its old directory: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make the directory of plugins: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make its directory: %w", err)
	}
	return dir, nil
}

// gaveUp is the error of a call whose context has ended, or whose deadline is
// only just to pass.
func (p *plugin) gaveUp(ctx context.Context) error {
	return &PluginError{Transport: p.name, Err: cmp.Or(context.Cause(ctx), context.DeadlineExceeded)}
}

// violated is told when a process breaks the descriptor protocol.
func (p *plugin) violated(in *instance, err error, last bool) {
	p.mu.Lock()
	p.violations++
	p.lastErr = err
	p.mu.Unlock()
	p.log.Warn("plugin broke the descriptor protocol", slog.String("error", err.Error()))
	if last {
		in.proc.fail(fmt.Errorf("it broke the descriptor protocol %d times, the last time: %w", maxViolations, err))
	}
}

// ended is told when a process is gone and nothing of it is left.
func (p *plugin) ended(in *instance, wanted bool, leftOver error) {
	why := in.whyEnded()
	if !wanted {
		p.mu.Lock()
		p.lastErr = why
		p.breaker.crash(in.started, time.Now())
		p.mu.Unlock()
	}
	if leftOver != nil {
		p.log.Error("plugin left something behind", slog.String("error", leftOver.Error()))
	}
	if wanted {
		p.log.Info("plugin stopped")
		return
	}
	p.log.Warn("plugin ended", slog.String("path", in.proc.path), slog.String("error", why.Error()))
}

// worked is told when a process has answered a call in keeping with the protocol,
// be it that nothing could be bound.
func (p *plugin) worked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.breaker.worked()
}

// note keeps err for the status.
func (p *plugin) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = err
}

func (p *plugin) current() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cur
}

func (p *plugin) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Name: p.name, Path: p.path, Launches: p.launches, Violations: p.violations}
	if p.cur != nil {
		s.PID = p.cur.proc.runningPID()
	}
	if p.lastErr != nil {
		s.LastError = p.lastErr.Error()
	}
	return s
}

// stop asks the process, if there is one, to end.
func (p *plugin) stop() {
	if in := p.current(); in != nil {
		in.quit()
	}
}

// wait waits until the process is gone. When ctx ends first, it kills it.
func (p *plugin) wait(ctx context.Context) error {
	in := p.current()
	if in == nil {
		return nil
	}
	select {
	case <-in.done:
		return nil
	case <-ctx.Done():
	}
	in.proc.kill()
	if wait(in.done, lag) {
		return nil
	}
	return &PluginError{
		Transport: p.name,
		Path:      in.proc.path,
		Err:       fmt.Errorf("process %s has not ended: %w", in.proc.ID(), context.Cause(ctx)),
	}
}
