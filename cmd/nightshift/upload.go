package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
)

// localInputs are the inputs that are files on this machine, by their place among the inputs.
func localInputs(inputs []string) map[int]string {
	local := map[int]string{}
	for i, input := range inputs {
		if info, err := os.Stat(input); err == nil && !hasScheme.MatchString(input) && info.Mode().IsRegular() {
			local[i] = input
		}
	}
	return local
}

// estimate asks for the price and time table. Files of this machine that the service does not see are uploaded to the queue's inbox first.
func (s *submitting) estimate(ctx context.Context) (api.EstimateResponse, error) {
	ask := func() (api.EstimateResponse, error) {
		return request[api.EstimateResponse](ctx, s.client, "jobs.estimate", api.EstimateRequest{SubmitRequest: s.request})
	}
	estimate, err := ask()
	if !s.elsewhere(estimate, err) {
		return estimate, err
	}
	if s.dryRun {
		return estimate, fmt.Errorf("the service does not see %s as it is here, and a dry run uploads nothing: submit without --dry-run", strings.Join(slices.Sorted(maps.Values(s.local)), ", "))
	}
	for i, path := range s.local {
		uri, refused := s.upload(ctx, path)
		var known *api.Error
		if errors.As(refused, &known) && known.Code == api.CodeForbidden && err != nil {
			return estimate, fmt.Errorf("%s\n       %s", explained(err), known.Message) // both: what is wrong, and what would work
		}
		if refused != nil {
			return estimate, refused
		}
		s.request.Input[i] = uri
	}
	return ask()
}

// elsewhere says whether the service lacks a file that is here, or has another one under its path.
func (s *submitting) elsewhere(estimate api.EstimateResponse, err error) bool {
	if err == nil {
		return len(s.local) == len(s.request.Input) && s.localBytes() != estimate.Bytes
	}
	var refused *api.Error
	if !errors.As(err, &refused) || refused.Code != api.CodeNotFound && refused.Code != api.CodeForbidden {
		return false
	}
	place, found := strings.CutPrefix(strings.TrimSuffix(refused.Field, "]"), "input[")
	number, failed := strconv.Atoi(place)
	return found && failed == nil && s.local[number] != ""
}

func (s *submitting) localBytes() (sum int64) {
	for _, path := range s.local {
		if info, err := os.Stat(path); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// mostBegins is how often an upload is begun anew when the service forgets it.
const mostBegins = 3

// upload sends a file to the inbox of the queue and gives the URI that it has there.
func (s *submitting) upload(ctx context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // only read
	for tries := 1; ; tries++ {
		uri, err := s.send(ctx, file, path)
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Code != api.CodeNotFound || refused.Field != "upload" || tries == mostBegins {
			return uri, err
		}
	}
}

// send is one try of an upload.
func (s *submitting) send(ctx context.Context, file *os.File, path string) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	put := func(piece api.UploadRequest) (api.UploadResponse, error) {
		piece.Queue, piece.Name, piece.Size = s.request.Queue, filepath.Base(path), info.Size()
		answer, err := request[api.UploadResponse](ctx, s.client, "jobs.upload", piece)
		if unavailable(err) && piece.Upload != "" { // a piece may be sent twice
			answer, err = request[api.UploadResponse](ctx, s.client, "jobs.upload", piece)
		}
		return answer, err
	}
	answer, err := put(api.UploadRequest{})
	if err != nil {
		return "", err
	}
	errs := s.command.ErrOrStderr()
	fmt.Fprintf(errs, "uploading %s (%s) to the inbox of queue %s, because the service does not see it\n", path, bytesText(info.Size()), s.request.Queue)
	sum, buffer, said := sha256.New(), make([]byte, api.MaxUploadPiece), time.Now()
	for answer.URI == "" {
		count, err := file.ReadAt(buffer[:min(int64(len(buffer)), info.Size()-answer.Received)], answer.Received)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if count == 0 && answer.Received < info.Size() {
			return "", fmt.Errorf("%s became shorter while it was uploaded", path)
		}
		sum.Write(buffer[:count])
		piece := api.UploadRequest{Upload: answer.Upload, Offset: answer.Received, Data: buffer[:count]}
		if piece.Offset+int64(count) == info.Size() {
			piece.SHA256 = hex.EncodeToString(sum.Sum(nil))
		}
		if answer, err = put(piece); err != nil {
			return "", err
		}
		if time.Since(said) > 2*time.Second {
			said = time.Now()
			fmt.Fprintf(errs, "  %s of %s\n", bytesText(answer.Received), bytesText(info.Size()))
		}
	}
	return answer.URI, nil
}
