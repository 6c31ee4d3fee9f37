package pluginhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// plays are the plugins of the tests, good and bad, by the name under which this
// very program plays them.
var plays = map[string]func(){
	"good":   func() { serve(&server{}) },
	"single": func() { serve(&server{features: []string{}}) },
	"misnamed": func() {
		serve(&server{name: "somebody-else"})
	},
	"mute":        func() { serve(&server{describe: hang}) },
	"refuses":     func() { serve(&server{describe: refuse}) },
	"huge":        func() { serve(&server{describe: answerHuge}) },
	"mad-version": func() { serveVersion(&server{}, 99) },

	// T1, T8 and what else comes over stderr.
	"bad-json": func() {
		fmt.Fprintln(os.Stderr, `{"@message": 1}`)
		fmt.Fprintln(os.Stderr, `{"@message": "well", "@level": 7, "@timestamp": {}, "a": "\u001b[31mred"}`)
		fmt.Fprintln(os.Stderr, "\x1b[2Jplain\x00text")
		serve(&server{})
	},
	"flood-stderr": func() {
		go flood(os.Stderr, []byte(strings.Repeat("x", 99)+"\n"))
		serve(&server{})
	},
	"long-line": func() {
		fmt.Fprintln(os.Stderr, strings.Repeat("y", 1<<20))
		serve(&server{})
	},
	"prints": func() {
		serve(&server{bind: func(s *server, ctx context.Context, token wire.Token, eps []*transportv1.Endpoint) error {
			fmt.Println("printed to stdout after the handshake")
			return s.bindEach(ctx, token, eps)
		}})
	},

	"leaves-out": func() {
		serve(&server{refused: []*transportv1.Refusal{{
			Option: "mark", Message: "option mark: operation not permitted", Hint: "needs CAP_NET_ADMIN", OsErrno: int32(unix.EPERM),
		}}})
	},

	// T2: stops answering. T4: leaves a child with its pipes.
	"stuck": func() {
		serve(&server{bind: func(*server, context.Context, wire.Token, []*transportv1.Endpoint) error { select {} }})
	},
	"grandchild": func() {
		child := exec.Command("/bin/sleep", "1000")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		must(child.Start())
		report(strconv.Itoa(child.Process.Pid))
		serve(&server{})
	},
	"escaped-grandchild": func() {
		child := exec.Command("/bin/sleep", "1000")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		must(child.Start())
		report(strconv.Itoa(child.Process.Pid))
		serve(&server{})
	},
	"closes-channel": func() {
		serve(&server{bind: func(*server, context.Context, wire.Token, []*transportv1.Endpoint) error {
			return unix.Close(channelFD)
		}})
	},

	// T3, T10 and other beginnings.
	"wants-tcp":      func() { announce("1|1|tcp|127.0.0.1:9|grpc|\n") },
	"wants-abstract": func() { announce("1|1|unix|@rind|grpc|\n") },
	"wants-outside": func() {
		ln, err := net.Listen("unix", filepath.Join(os.Getenv(goplugin.EnvUnixSocketDir), "../../outside"))
		must(err)
		defer ln.Close()
		announce("1|1|unix|" + ln.Addr().String() + "|grpc|\n")
	},
	"wants-netrpc":  func() { announce("1|1|unix|/x|netrpc|\n") },
	"wants-tls":     func() { announce("1|1|unix|/x|grpc|" + strings.Repeat("A", 400) + "\n") },
	"other-core":    func() { announce("7|1|unix|/x|grpc|\n") },
	"no-newline":    func() { announce(strings.Repeat("z", 200_000)) },
	"garbage":       func() { announce("hello, world\n") },
	"garbage-exits": func() { fmt.Println("usage: something"); os.Exit(3) },
	"exits":         func() { fmt.Fprintln(os.Stderr, "cannot do it"); os.Exit(3) },
	"kills-itself":  func() { must(unix.Kill(os.Getpid(), unix.SIGKILL)) },
	"never":         func() { forever() },
	"closes-stdout": func() { os.Stdout.Close(); forever() },
	"never-accepts": func() {
		ln, err := net.Listen("unix", os.Getenv(goplugin.EnvUnixSocketDir)+"/plugin")
		must(err)
		defer ln.Close()
		announce("1|1|unix|" + ln.Addr().String() + "|grpc|\n")
	},
	// Another process serves its socket.
	"other-peer": func() {
		path := os.Getenv(goplugin.EnvUnixSocketDir) + "/plugin"
		child := exec.Command("/proc/self/exe")
		child.Args[0] = prefix + "other-peer-child"
		child.Stdin = must1(os.Open("/dev/null"))
		out := must1(child.StdoutPipe())
		must(child.Start())
		must1(out.Read(make([]byte, 1)))
		announce("1|1|unix|" + path + "|grpc|\n")
	},
	"other-peer-child": func() {
		ln := must1(net.Listen("unix", os.Getenv(goplugin.EnvUnixSocketDir)+"/plugin"))
		defer ln.Close()
		fmt.Println()
		forever()
	},

	// S170: what comes over the descriptor channel.
	"sends-none":   channelPlay(func(*server, wire.Token) error { return nil }),
	"sends-two":    channelPlay(func(_ *server, t wire.Token) error { return sendFrame(wire.Frame{Count: 2, Token: t}, 2) }),
	"sends-twice":  channelPlay(func(_ *server, t wire.Token) error { return errors.Join(send(t, 0, 1), send(t, 1, 1)) }),
	"counts-wrong": channelPlay(func(_ *server, t wire.Token) error { return sendFrame(wire.Frame{Count: 1, Token: t}, 2) }),
	"wrong-first":  channelPlay(func(_ *server, t wire.Token) error { return send(t, 5, 1) }),
	"wrong-token":  channelPlay(func(*server, wire.Token) error { return send(wire.Token{1, 2, 3}, 0, 1) }),
	"short-frame":  channelPlay(func(_ *server, t wire.Token) error { return sendRaw(wire.Frame{Count: 1, Token: t}.Bytes()[:20], 1) }),
	"long-frame": channelPlay(func(_ *server, t wire.Token) error {
		return sendRaw(append(wire.Frame{Count: 1, Token: t}.Bytes(), 0), 1)
	}),
	"huge-frame": channelPlay(func(_ *server, t wire.Token) error {
		return sendRaw(append(wire.Frame{Count: 1, Token: t}.Bytes(), make([]byte, 4096)...), 1)
	}),
	"empty-frame": channelPlay(func(*server, wire.Token) error { return sendRaw(nil, 0) }),
	"empty-fds":   channelPlay(func(*server, wire.Token) error { return sendRaw(nil, 3) }),
	"no-fds":      channelPlay(func(_ *server, t wire.Token) error { return sendRaw(wire.Frame{Count: 1, Token: t}.Bytes(), 0) }),
	"reuses-token": channelPlay(func(s *server, t wire.Token) error {
		first := s.first
		if first == (wire.Token{}) {
			s.first = t
			return send(t, 0, 1)
		}
		return errors.Join(send(t, 0, 1), send(first, 0, 1))
	}),
	"floods-channel": channelPlay(func(_ *server, t wire.Token) error {
		go func() {
			for {
				if sendRaw([]byte("flood"), wire.MaxFrameFDs) != nil {
					return
				}
			}
		}()
		return send(t, 0, 1)
	}),
	"floods-call": channelPlay(func(_ *server, t wire.Token) error {
		for sendFrame(wire.Frame{Count: 1, Token: t}, 2) == nil { // wrong, and then for a call that has failed
		}
		return nil
	}),
	"too-many-results": func() { serve(&server{extra: 1}) },
	"late": func() {
		serve(&server{bind: func(_ *server, ctx context.Context, token wire.Token, _ []*transportv1.Endpoint) error {
			fmt.Fprintln(os.Stderr, "bind begins")
			<-ctx.Done()
			err := send(token, 0, 1)
			fmt.Fprintln(os.Stderr, "late descriptor sent")
			return err
		}})
	},

	// S172: reports what it was given.
	"environment": func() {
		report(strings.Join(os.Environ(), "\n") + "\n" + listFDs("/proc/self/fd"))
		serve(&server{})
	},
	"refuses-bind": func() { serve(&server{refuse: true}) },
	"crashes": func() {
		serve(&server{bind: func(*server, context.Context, wire.Token, []*transportv1.Endpoint) error {
			panic("boom")
		}})
	},
	"dies-at-second": func() {
		serve(&server{bind: func(s *server, ctx context.Context, token wire.Token, eps []*transportv1.Endpoint) error {
			if s.first != (wire.Token{}) {
				os.Exit(4)
			}
			s.first = token
			return s.bindEach(ctx, token, eps)
		}})
	},
	// Ignores everything that a good plugin would end for.
	"stubborn": func() {
		signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)
		serveThen(&server{}, forever)
	},
}

// server is a plugin on bare go-plugin, with parts to replace.
type server struct {
	transportv1.UnimplementedTransportServer

	name     string
	features []string
	describe func(*server) (*transportv1.DescribeResponse, error)
	bind     func(*server, context.Context, wire.Token, []*transportv1.Endpoint) error
	refuse   bool
	refused  []*transportv1.Refusal
	extra    int
	first    wire.Token
}

func (s *server) description() *transportv1.DescribeResponse {
	name := s.name
	if name == "" {
		name = strings.TrimPrefix(os.Args[0][strings.LastIndex(os.Args[0], "/")+1:], prefix)
	}
	features := s.features
	if features == nil {
		features = []string{featureBatch, "something-new"}
	}
	return &transportv1.DescribeResponse{
		Name: name, Version: "1.2.3", Features: features, ManifestSha256: bytes.Repeat([]byte{0xab}, 32),
	}
}

func (s *server) Describe(context.Context, *transportv1.DescribeRequest) (*transportv1.DescribeResponse, error) {
	if s.describe != nil {
		return s.describe(s)
	}
	return s.description(), nil
}

func (s *server) Bind(ctx context.Context, req *transportv1.BindRequest) (*transportv1.BindResponse, error) {
	results, err := s.run(ctx, req.GetToken(), []*transportv1.Endpoint{req.GetEndpoint()})
	if err != nil {
		return nil, err
	}
	return &transportv1.BindResponse{Result: results[0]}, nil
}

func (s *server) BindBatch(ctx context.Context, req *transportv1.BindBatchRequest) (*transportv1.BindBatchResponse, error) {
	if len(s.features) == 0 && s.features != nil {
		return nil, status.Error(codes.Unimplemented, "no batch here")
	}
	eps := make([]*transportv1.Endpoint, len(req.GetItems()))
	for i, item := range req.GetItems() {
		eps[i] = item.GetEndpoint()
	}
	results, err := s.run(ctx, req.GetToken(), eps)
	if err != nil {
		return nil, err
	}
	for range s.extra {
		results = append(results, &transportv1.BindResult{})
	}
	return &transportv1.BindBatchResponse{Results: results}, nil
}

// run answers "refused" endpoints with an error and the others with success,
// after bind has sent for them what it sends.
func (s *server) run(ctx context.Context, token []byte, eps []*transportv1.Endpoint) ([]*transportv1.BindResult, error) {
	var results []*transportv1.BindResult
	var bound []*transportv1.Endpoint
	for _, ep := range eps {
		if s.refuse || ep.GetAddress() == "refused" {
			results = append(results, &transportv1.BindResult{Error: &transportv1.BindError{
				Code: transportv1.BindError_PERMISSION, Message: "permission denied", OsErrno: int32(unix.EACCES), Hint: "needs CAP_NET_BIND_SERVICE",
			}})
			continue
		}
		bound = append(bound, ep)
		results = append(results, &transportv1.BindResult{BoundAddress: ep.GetAddress() + " of " + ep.GetId(), Refused: s.refused})
	}
	bind := (*server).bindEach
	if s.bind != nil {
		bind = s.bind
	}
	if err := bind(s, ctx, wire.Token(token), bound); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return results, nil
}

// bindEach binds what was asked and sends it, in chunks.
func (s *server) bindEach(_ context.Context, token wire.Token, eps []*transportv1.Endpoint) error {
	for first := 0; first < len(eps); first += wire.MaxFrameFDs {
		if err := send(token, first, min(len(eps)-first, wire.MaxFrameFDs)); err != nil {
			return err
		}
	}
	return nil
}

// send sends bound sockets in a correct frame.
func send(token wire.Token, first, count int) error {
	return sendFrame(wire.Frame{Count: uint16(count), Token: token, First: uint32(first)}, count)
}

func sendFrame(f wire.Frame, count int) error { return sendRaw(f.Bytes(), count) }

func sendRaw(msg []byte, count int) error {
	fds := make([]int, count)
	for i := range fds {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		fds[i] = fd
	}
	return fdpass.Send(channelFD, msg, 0, fds...)
}

// channelPlay is a plugin that answers as if all was well, after play has sent
// something for the call.
func channelPlay(play func(*server, wire.Token) error) func() {
	return func() {
		serve(&server{bind: func(s *server, _ context.Context, token wire.Token, _ []*transportv1.Endpoint) error {
			return play(s, token)
		}})
	}
}

func serve(s *server) { serveThen(s, func() {}) }

// serveThen serves until Shutdown, then does something else.
func serveThen(s *server, after func()) {
	serveConfig(s, wire.ProtocolVersion)
	after()
}

func serveVersion(s *server, version int) { serveConfig(s, version) }

func serveConfig(s *server, version int) {
	unix.CloseOnExec(channelFD)
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{version: {wire.PluginName: serverPlugin{s: s}}},
		GRPCServer:       goplugin.DefaultGRPCServer,
	})
}

type serverPlugin struct {
	goplugin.NetRPCUnsupportedPlugin

	s *server
}

func (p serverPlugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	transportv1.RegisterTransportServer(s, p.s)
	return nil
}

func (serverPlugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not a host")
}

func hang(*server) (*transportv1.DescribeResponse, error) { select {} }

func refuse(*server) (*transportv1.DescribeResponse, error) {
	return nil, status.Error(codes.FailedPrecondition, "not \x1b[31mtoday")
}

// answerHuge answers with 64 MiB (T9).
func answerHuge(s *server) (*transportv1.DescribeResponse, error) {
	resp := s.description()
	resp.Version = strings.Repeat("v", 64<<20)
	return resp, nil
}

// announce prints a handshake and serves nothing.
func announce(line string) {
	must1(os.Stdout.WriteString(line))
	forever()
}

func flood(f *os.File, line []byte) {
	for {
		if _, err := f.Write(line); err != nil {
			return
		}
	}
}

// forever blocks without the runtime calling it a deadlock.
func forever() {
	for {
		_ = unix.Pause()
	}
}

// report leaves a text where the test finds it.
func report(text string) {
	must(os.WriteFile(os.Getenv(goplugin.EnvUnixSocketDir)+"/report", []byte(text), 0o600))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}
