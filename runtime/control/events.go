package control

import (
	"bytes"
	"encoding/json"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// eventsPath is where a client finds Watch as lines of JSON. The streams of Connect and
// gRPC have frames, which curl and a shell cannot take apart.
const eventsPath = "/events"

// events is Watch for a client that knows nothing but HTTP: a line for each message.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	conn, begun := http.NewResponseController(w), false
	err := h.watch(r.Context(), func(m *controlv1.WatchResponse) error {
		line, err := eventLine(m)
		if err != nil {
			return err
		}
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/x-ndjson")
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		return conn.Flush()
	})
	if err == nil || begun {
		return // whoever listened has gone, or the daemon goes
	}
	status := http.StatusServiceUnavailable
	if connect.CodeOf(err) == connect.CodeResourceExhausted {
		status = http.StatusTooManyRequests
	}
	http.Error(w, err.Error(), status)
}

// eventLine is compacted, because protojson varies its spaces on purpose.
func eventLine(m *controlv1.WatchResponse) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return nil, err
	}
	line.WriteByte('\n')
	return line.Bytes(), nil
}
