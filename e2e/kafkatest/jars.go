package kafkatest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Version is that of the brokers.
const Version = "4.4.0"

const pom = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>nightshift</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + Version + `</version>
      <exclusions><exclusion><groupId>org.apache.kafka</groupId><artifactId>kafka-tools-api</artifactId></exclusion></exclusions>
    </dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.5</version></dependency>
  </dependencies>
</project>
`

// jars is the folder of the broker's jars.
func jars(t testing.TB) string {
	t.Helper()
	for _, program := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no Kafka broker: %v; apt-get install openjdk-17-jre-headless maven, or their like", err)
		}
	}
	lib := filepath.Join(cache(t), "kafka", Version)
	if _, err := os.Stat(lib); err == nil {
		return lib
	}
	if err := fetch(lib); err != nil {
		t.Fatal(err)
	}
	return lib
}

func cache(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("NIGHTSHIFT_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "nightshift")
}

// fetch fills a folder of its own first: test programs run side by side, and may be interrupted.
func fetch(lib string) error {
	if err := os.MkdirAll(filepath.Dir(lib), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(lib), "fetching-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), []byte(pom), 0o644); err != nil {
		return err
	}
	command := exec.Command("mvn", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime")
	command.Dir = dir
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch Kafka %s from Maven Central: %w\n%s", Version, err, said)
	}
	err = os.Rename(filepath.Join(dir, "lib"), lib)
	if errors.Is(err, fs.ErrExist) { // another test program was faster
		return nil
	}
	return err
}
