package service

import (
	"context"
	"crypto/rand"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/object"
)

const (
	mostUploads = 16              // at once
	uploadIdle  = 2 * time.Minute // after which an upload of which nothing more is heard is given up
)

// uploads are the files on their way into inboxes. They are kept in memory only: one that a restart interrupts begins again.
type uploads struct {
	ctx  context.Context // of the service; writing ends with it
	mu   sync.Mutex
	open map[string]*upload
}

// upload is one file on its way.
type upload struct {
	id, tenant string
	request    api.UploadRequest // the first
	uri        string
	idle       *time.Timer

	mu       sync.Mutex
	objects  *object.Store
	out      *object.Writer // nil when it has ended
	received int64
	done     bool // complete and durable
}

// put begins an upload or takes a piece of one.
func (u *uploads) put(call call, request api.UploadRequest, queue dispatch.Queue) (api.UploadResponse, error) {
	if request.Upload == "" {
		return u.begin(call.tenant, request, queue)
	}
	u.mu.Lock()
	one := u.open[request.Upload]
	u.mu.Unlock()
	if one == nil || one.tenant != call.tenant || one.request.Queue != request.Queue || one.request.Size != request.Size {
		return api.UploadResponse{}, &api.Error{Code: api.CodeNotFound, Field: "upload", Message: fmt.Sprintf(
			"there is no such upload: it was given up after %s without a piece, or the service has started anew; begin again", uploadIdle)}
	}
	answer, err := one.take(u.ctx, request)
	if err != nil {
		u.drop(one)
	}
	return answer, err
}

// begin makes room for a file in the inbox, or says what to do instead.
func (u *uploads) begin(tenant string, request api.UploadRequest, queue dispatch.Queue) (api.UploadResponse, error) {
	switch {
	case queue.Inbox == "":
		return api.UploadResponse{}, &api.Error{Code: api.CodeForbidden, Field: "queue", Message: fmt.Sprintf(
			"queue %q takes no uploads (its document sets no input.inbox); %s", queue.Name, instead(queue, request.Name))}
	case request.Size > queue.MaxUpload:
		return api.UploadResponse{}, &api.Error{Code: api.CodeTooLarge, Field: "size", Message: fmt.Sprintf(
			"%s has %d bytes; queue %q takes uploads of at most %d (input.maxUpload); %s", request.Name, request.Size, queue.Name, queue.MaxUpload, instead(queue, request.Name))}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.open) >= mostUploads {
		return api.UploadResponse{}, &api.Error{Code: api.CodeUnavailable, Field: "upload", Message: fmt.Sprintf("%d uploads are on their way already; try again later", mostUploads)}
	}
	objects, err := object.New(object.Access{Write: queue.WriteRoots})
	if err != nil {
		return api.UploadResponse{}, fmt.Errorf("use the inbox: %w", err)
	}
	one := &upload{id: strings.ToLower(rand.Text()), tenant: tenant, request: request, objects: objects}
	one.uri = queue.Inbox + one.id + "/" + plain.ReplaceAllString(path.Base(request.Name), "_")
	if one.out, err = objects.Create(u.ctx, one.uri); err != nil {
		_ = objects.Close() // nothing was written
		return api.UploadResponse{}, inboxProblem(err)
	}
	one.idle = time.AfterFunc(uploadIdle, func() { u.drop(one) })
	u.open[one.id] = one
	return api.UploadResponse{Upload: one.id}, nil
}

// plain are the characters that mean nothing in a URI or a pattern.
var plain = regexp.MustCompile(`[^A-Za-z0-9._-]`)

func inboxProblem(err error) error {
	return &api.Error{Code: api.CodeUnavailable, Field: "upload", Message: "the inbox cannot be written: " + err.Error()}
}

// take receives a piece. One that came before, whose answer was lost, is only answered again.
func (one *upload) take(ctx context.Context, request api.UploadRequest) (api.UploadResponse, error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.idle.Reset(uploadIdle)
	end := request.Offset + int64(len(request.Data))
	switch {
	case one.done || end <= one.received && end < request.Size:
		return one.progress(), nil
	case request.Offset != one.received || one.out == nil:
		return one.progress(), &api.Error{Code: api.CodeConflict, Field: "offset", Message: fmt.Sprintf(
			"%d, but %d bytes have been received; pieces come one after the other: begin again", request.Offset, one.received)}
	}
	if _, err := one.out.Write(request.Data); err != nil {
		return one.progress(), inboxProblem(err)
	}
	if one.received = end; end < request.Size {
		return one.progress(), nil
	}
	return one.complete(ctx, request.SHA256)
}

// complete makes the file visible if it is what the sender has.
func (one *upload) complete(ctx context.Context, want string) (api.UploadResponse, error) {
	written, err := one.out.Close(ctx)
	one.out = nil
	if err != nil {
		return one.progress(), inboxProblem(err)
	}
	if written.SHA256 != want {
		_ = one.objects.Delete(ctx, one.uri) // nobody knows of it
		return one.progress(), &api.Error{Code: api.CodeConflict, Field: "sha256", Message: fmt.Sprintf(
			"%s, but what was received has %s: the file changed on the way; begin again", want, written.SHA256)}
	}
	one.done = true
	return one.progress(), nil
}

func (one *upload) progress() api.UploadResponse {
	answer := api.UploadResponse{Upload: one.id, Received: one.received}
	if one.done {
		answer.URI = one.uri
	}
	return answer
}

// drop ends an upload; what is not complete leaves nothing behind.
func (u *uploads) drop(one *upload) {
	u.mu.Lock()
	delete(u.open, one.id)
	u.mu.Unlock()
	one.idle.Stop()
	one.mu.Lock()
	defer one.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), answerWithin)
	defer cancel()
	if one.out != nil {
		_ = one.out.Abort(ctx) // an inbox may hold a rest of what could not be removed
		one.out = nil
	}
	_ = one.objects.Close() // nothing is open
}

// stop gives up what is on its way.
func (u *uploads) stop() {
	u.mu.Lock()
	var all []*upload
	for _, one := range u.open {
		all = append(all, one)
	}
	u.mu.Unlock()
	for _, one := range all {
		u.drop(one)
	}
}

// copyTools copy a local file into a bucket; the first argument is the file, the second the URI.
var copyTools = map[string]string{"s3": "aws s3 cp", "gs": "gcloud storage cp", "azblob": "azcopy copy"}

// instead is the command that brings a file to where the queue's workers read it.
func instead(queue dispatch.Queue, name string) string {
	if len(queue.ReadRoots) == 0 {
		return "it has no input roots either"
	}
	root, _, _ := strings.Cut(queue.ReadRoots[0], "?")
	scheme, folder, _ := strings.Cut(root, "://")
	command := fmt.Sprintf("%s %s %s", copyTools[scheme], name, root)
	if scheme == "file" {
		command = fmt.Sprintf("scp %s HOST:%s", name, folder)
	}
	return fmt.Sprintf("copy the file to where its workers read it, and submit that: %s && nightshift submit -q %s %s%s", command, queue.Name, root, name)
}
