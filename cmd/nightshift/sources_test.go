package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Kafka's user and password come from variables, or from the files of a mounted Secret; both, or files that are missing, are refused without a word of what is in them.
func TestKafkaLogin(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{"user": "scorer\n", "password": "pa ss\r\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		environment          map[string]string
		user, password, says string
	}{
		"nothing":   {nil, "", "", ""},
		"variables": {map[string]string{kafkaUserVariable: "a", kafkaPasswordVariable: "b"}, "a", "b", ""},
		"files":     {map[string]string{kafkaSecretVariable: folder}, "scorer", "pa ss", ""},
		"both":      {map[string]string{kafkaSecretVariable: folder, kafkaPasswordVariable: "b"}, "", "", "NIGHTSHIFT_KAFKA_SECRET is set beside"},
		"no files":  {map[string]string{kafkaSecretVariable: filepath.Join(folder, "none")}, "", "", "password: no such file"},
	} {
		user, password, err := kafkaLogin(func(variable string) string { return tc.environment[variable] })
		if (err != nil) != (tc.says != "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %q", name, err, tc.says)
		}
		if err == nil && (user != tc.user || password != tc.password) {
			t.Errorf("%s: %q, %q", name, user, password)
		}
	}
}
