package tracing

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// environ are variables like those of os.Environ. The SDK reads others itself: those
// of the sampler, of the resource, and the endpoint and headers of the exporter.
type environ map[string]string

func parseEnviron(list []string) environ {
	out := environ{}
	for _, kv := range list {
		if key, value, ok := strings.Cut(kv, "="); ok {
			out[key] = strings.TrimSpace(value)
		}
	}
	return out
}

// ofExporter returns a variable of the exporter, of which there is one for traces and
// one for everything.
func (e environ) ofExporter(name string) string {
	return cmp.Or(e["OTEL_EXPORTER_OTLP_TRACES_"+name], e["OTEL_EXPORTER_OTLP_"+name])
}

// Wanted says whether an environment asks for spans: OTEL_TRACES_EXPORTER is "otlp",
// or it is not set and there is an endpoint. An error says that it asks for something
// that there is not.
func Wanted(list []string) (bool, error) {
	e := parseEnviron(list)
	if strings.EqualFold(e["OTEL_SDK_DISABLED"], "true") {
		return false, nil
	}
	switch exporter := e["OTEL_TRACES_EXPORTER"]; exporter {
	case "none":
		return false, nil
	case "otlp":
	case "":
		if e.ofExporter("ENDPOINT") == "" {
			return false, nil
		}
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: it must be otlp or none", exporter)
	}
	switch protocol := e.ofExporter("PROTOCOL"); protocol {
	case "", "http/protobuf":
		return true, nil
	default:
		return false, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: it must be http/protobuf, which collectors usually have at port 4318", protocol)
	}
}

// defaultTimeout is that of the specification of the exporter, for one request.
const defaultTimeout = 10 * time.Second

// client returns what the exporter speaks to its collector with. It is our own,
// because the connections of the exporter's outlive it; so timeout and certificates,
// which the exporter then does not look at, are read here.
func (e environ) client() (*http.Client, error) {
	timeout := defaultTimeout
	if text := e.ofExporter("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT is %q: it must be a number of milliseconds", text)
		}
		timeout = time.Duration(ms) * time.Millisecond
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if path := e.ofExporter("CERTIFICATE"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %s has no certificate in PEM", path)
		}
	}
	cert, key := e.ofExporter("CLIENT_CERTIFICATE"), e.ofExporter("CLIENT_KEY")
	if (cert == "") != (key == "") {
		return nil, errors.New("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together: set both")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: timeout,
		MaxConnsPerHost:     1, // one batch at a time is sent
		IdleConnTimeout:     time.Minute,
		ForceAttemptHTTP2:   true,
	}}, nil
}
