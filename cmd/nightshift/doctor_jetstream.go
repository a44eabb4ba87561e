package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/service"
	"nightshift.dev/nightshift/orchestrator/state"
)

// layout are the streams that a service makes; those of buckets begin with KV_.
var layout = []string{
	state.ShardStream, state.JournalStream, state.CommitStream, state.AttemptStream, state.EventStream, state.LogStream, state.RecordStream,
	"KV_" + state.JobBucket, "KV_" + state.ModelBucket, "KV_" + state.WorkerBucket, "KV_" + state.AssignmentBucket, "KV_" + state.PlanBucket, "KV_" + state.ScheduleBucket, "KV_" + state.ConsumerBucket,
}

// examineJetStream checks the store. It says whether the streams can be used.
func examineJetStream(ctx context.Context, e *examination, conn *nats.Conn, about micro.Ping) bool {
	js, err := jetstream.New(conn)
	if err != nil {
		e.say(checkFail, "JetStream", err.Error(), "")
		return false
	}
	account, err := js.AccountInfo(ctx)
	if err != nil {
		e.say(checkFail, "JetStream", "is not usable: "+strings.TrimPrefix(err.Error(), "nats: "), "Switch it on (jetstream: enabled, a store_dir) for this account")
		return false
	}
	e.report(fullness("storage", account.Store, uint64(max(account.Limits.MaxStore, 0)), "the account's file store"))
	var missing []string
	var streams []*jetstream.StreamInfo
	for _, name := range layout {
		info, err := streamInfo(ctx, js, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			missing = append(missing, name)
			continue
		}
		if err != nil {
			e.say(checkFail, "streams", fmt.Sprintf("%s: %v", name, err), "")
			return false
		}
		streams = append(streams, info)
	}
	if len(missing) > 0 {
		e.say(checkFail, "streams", "missing: "+strings.Join(missing, ", "), "A nightshift service makes them when it starts: nightshift dev, or nightshift run")
		return false
	}
	e.say(checkOK, "streams", fmt.Sprintf("all %d are there", len(streams)), "")
	examineStreams(e, streams, embeddedIn(about, conn))
	return true
}

func streamInfo(ctx context.Context, js jetstream.JetStream, name string) (*jetstream.StreamInfo, error) {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

// examineStreams looks at what the streams' configuration says about what is kept. synced says that the server syncs every write.
func examineStreams(e *examination, streams []*jetstream.StreamInfo, synced bool) {
	var single []string
	var cluster string
	worst := finding{verdict: checkOK, what: "stream limits", found: "no stream is near its limit"}
	for _, info := range streams {
		config := info.Config
		if config.Replicas <= 1 {
			single = append(single, config.Name)
			if info.Cluster != nil && info.Cluster.Name != "" {
				cluster = info.Cluster.Name
			}
		}
		switch {
		case config.PersistMode == jetstream.AsyncPersistMode:
			e.say(checkFail, "persistence", "stream "+config.Name+" acknowledges before it has written (persist_mode async)", "Set persist_mode to default")
		case config.Storage != jetstream.FileStorage:
			e.say(checkFail, "persistence", "stream "+config.Name+" is kept in memory", "Make it anew with file storage")
		}
		if config.Discard == jetstream.DiscardNew && config.MaxBytes > 0 {
			if one := fullness("stream limits", info.State.Bytes, uint64(config.MaxBytes), "stream "+config.Name); gravity[one.verdict] > gravity[worst.verdict] {
				worst = one
			}
		}
	}
	e.report(worst)
	switch {
	case len(single) == 0:
		e.say(checkOK, "durability", "streams have replicas", "")
	case synced:
		e.say(checkOK, "durability", "the embedded server syncs every write", "")
	case cluster != "":
		e.say(checkFail, "durability", fmt.Sprintf("%s with one replica on cluster %s: jobs wait while its server is away, and are lost with its disk", which(single, streams), cluster),
			"Start the service with nightshift run --replicas 3, which gives them more")
	default:
		e.say(checkWarn, "durability", which(single, streams)+" without a second replica, and how often the server syncs cannot be seen from here",
			"Set jetstream.sync_interval: always on the server, or run nightshift with --replicas 3 on a cluster")
	}
}

// which names streams, where they are not all.
func which(single []string, streams []*jetstream.StreamInfo) string {
	if len(single) == len(streams) {
		return "all streams"
	}
	return strings.Join(single, ", ")
}

// embeddedIn says whether the connection goes to the server in the process of the service, which says so by the server's identifier. A name is no proof: any
// server may have it.
func embeddedIn(about micro.Ping, conn *nats.Conn) bool {
	id := about.Metadata[service.EmbeddedServer]
	return id != "" && id == conn.ConnectedServerId()
}

// fullness says how much of a limit is used; no limit is well.
func fullness(what string, used, limit uint64, of string) finding {
	if limit == 0 {
		return finding{checkOK, what, fmt.Sprintf("%s holds %s, without a limit", of, bytesText(int64(used))), ""}
	}
	share := float64(used) / float64(limit)
	found := fmt.Sprintf("%s holds %s of %s (%.0f %%)", of, bytesText(int64(used)), bytesText(int64(limit)), share*100)
	next := "Delete finished jobs (nightshift delete) or raise the limit: a full store refuses submits"
	switch {
	case share >= 0.95:
		return finding{checkFail, what, found, next}
	case share >= 0.8:
		return finding{checkWarn, what, found, next}
	}
	return finding{checkOK, what, found, ""}
}

// askService asks a service what it is. A user may not be permitted to: then nothing is known of it.
func askService(ctx context.Context, conn *nats.Conn) (pong micro.Ping) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	message, err := conn.RequestWithContext(ctx, "$SRV.PING.nightshift", nil)
	if err != nil || json.Unmarshal(message.Data, &pong) != nil {
		return micro.Ping{}
	}
	return pong
}

// examineService checks that a service answers this tenant, and how many there are.
func examineService(ctx context.Context, e *examination, client *client, pong micro.Ping) {
	if _, err := request[api.ListResponse](ctx, client, "jobs.list", api.ListRequest{Limit: 1}); err != nil {
		e.say(checkFail, "service", explained(err), "")
		return
	}
	if pong.Version == "" {
		e.say(checkOK, "service", fmt.Sprintf("answers tenant %q", client.tenant), "")
		return
	}
	found := fmt.Sprintf("nightshift %s answers tenant %q", pong.Version, client.tenant)
	if pong.Version != version {
		e.say(checkWarn, "service", found+", and this program is "+version, "Use the same version for both")
		return
	}
	e.say(checkOK, "service", found, "")
}

// examineWorkers counts workers, and shows why one does not get on.
func examineWorkers(ctx context.Context, e *examination, conn *nats.Conn) {
	workers, err := presences(ctx, conn)
	if err != nil {
		e.say(checkWarn, "workers", "cannot be read: "+err.Error(), "")
		return
	}
	counts := map[orchestrator.WorkerState]int{}
	for _, worker := range workers {
		counts[worker.State]++
		if worker.Failure != nil {
			e.say(checkFail, "workers", worker.Worker+": "+failureText(worker.Failure), "nightshift doctor -f DOCS starts the scorer here and shows more")
		}
		if worker.Blocked != nil {
			e.say(checkFail, "workers", worker.Worker+" is blocked: "+failureText(worker.Blocked), "")
		}
	}
	var texts []string
	for _, state := range []orchestrator.WorkerState{orchestrator.WorkerStarting, orchestrator.WorkerLoading, orchestrator.WorkerBusy, orchestrator.WorkerIdle,
		orchestrator.WorkerDraining, orchestrator.WorkerFailed} {
		if counts[state] > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	if len(texts) == 0 {
		texts = []string{"none at present: they start when there is work"}
	}
	e.say(checkOK, "workers", strings.Join(texts, ", "), "")
}

// presences reads what workers say of themselves.
func presences(ctx context.Context, conn *nats.Conn) (workers []orchestrator.Presence, err error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	bucket, err := js.KeyValue(ctx, state.WorkerBucket)
	if err != nil {
		return nil, err
	}
	keys, err := bucket.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	for _, key := range keys {
		entry, err := bucket.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue // it ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		var presence orchestrator.Presence
		if err := json.Unmarshal(entry.Value(), &presence); err == nil {
			workers = append(workers, presence)
		}
	}
	return workers, err
}
