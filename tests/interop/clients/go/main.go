// The matrix's client on franz-go. What it does is told in ../python/contract.py.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const library = "github.com/twmb/franz-go"

// A step is a record, or the end of a transaction. encoding/json has []byte in base64, and nil as null.
type step struct {
	Topic       string               `json:"topic"`
	Partition   int32                `json:"partition"`
	Compression string               `json:"compression"`
	Key         []byte               `json:"key"`
	Value       []byte               `json:"value"`
	Headers     [][2]json.RawMessage `json:"headers"`
	Timestamp   int64                `json:"timestamp"`
	End         string               `json:"end"`
}

type received struct {
	Topic     string   `json:"topic"`
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp int64    `json:"timestamp"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   [][2]any `json:"headers"`
}

var out = json.NewEncoder(os.Stdout)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func tell(what any) { check(out.Encode(what)) }

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == library {
			return module.Version
		}
	}
	return "unknown"
}

func codec(name string) kgo.CompressionCodec {
	return map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}[name]
}

func record(of step) *kgo.Record {
	made := &kgo.Record{
		Topic: of.Topic, Partition: of.Partition, Key: of.Key, Value: of.Value, Timestamp: time.UnixMilli(of.Timestamp),
	}
	for _, header := range of.Headers {
		var name string
		var value []byte
		check(json.Unmarshal(header[0], &name))
		check(json.Unmarshal(header[1], &value))
		made.Headers = append(made.Headers, kgo.RecordHeader{Key: name, Value: value})
	}
	return made
}

func produce(ctx context.Context, bootstrap, transactionalID string) {
	producers := map[string]*kgo.Client{}
	open := map[string]bool{}
	var sent []*kgo.Record
	failed := func(_ *kgo.Record, err error) { check(err) }
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var next step
		check(json.Unmarshal(lines.Bytes(), &next))
		producer := producers[next.Compression]
		if producer == nil {
			options := []kgo.Opt{
				kgo.SeedBrokers(bootstrap),
				kgo.ProducerBatchCompression(codec(next.Compression)),
				kgo.RecordPartitioner(kgo.ManualPartitioner()),
				kgo.ProducerLinger(5 * time.Millisecond),
			}
			if transactionalID != "" {
				options = append(options, kgo.TransactionalID(transactionalID+"-"+next.Compression))
			}
			var err error
			producer, err = kgo.NewClient(options...)
			check(err)
			defer producer.Close()
			producers[next.Compression] = producer
		}
		if next.End != "" {
			check(producer.Flush(ctx))
			check(producer.EndTransaction(ctx, kgo.TransactionEndTry(next.End == "commit")))
			open[next.Compression] = false
			continue
		}
		if transactionalID != "" && !open[next.Compression] {
			check(producer.BeginTransaction())
			open[next.Compression] = true
		}
		made := record(next)
		sent = append(sent, made)
		producer.Produce(ctx, made, failed)
	}
	check(lines.Err())
	for _, producer := range producers {
		check(producer.Flush(ctx))
	}
	for _, made := range sent {
		tell(map[string]int64{"offset": made.Offset})
	}
}

func consume(ctx context.Context, bootstrap, topics, group, isolation, protocol string, expected int) {
	level := kgo.ReadUncommitted()
	if isolation == "read_committed" {
		level = kgo.ReadCommitted()
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(strings.Split(topics, ",")...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(level),
		kgo.DisableAutoCommit(),
	}
	if protocol == "consumer" {
		options = append(options, kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer())
	}
	consumer, err := kgo.NewClient(options...)
	check(err)
	defer consumer.Close()
	for count := 0; count < expected; {
		fetches := consumer.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(came *kgo.Record) {
			count++
			told := received{
				came.Topic, came.Partition, came.Offset, came.Timestamp.UnixMilli(), came.Key, came.Value, [][2]any{},
			}
			for _, header := range came.Headers {
				told.Headers = append(told.Headers, [2]any{header.Key, header.Value})
			}
			tell(told)
		})
	}
	check(consumer.CommitUncommittedOffsets(ctx))
}

func main() {
	asked := flag.NewFlagSet("client", flag.ExitOnError)
	bootstrap := asked.String("bootstrap", "", "")
	transactionalID := asked.String("transactional-id", "", "")
	topics := asked.String("topics", "", "")
	group := asked.String("group", "", "")
	isolation := asked.String("isolation", "read_uncommitted", "")
	protocol := asked.String("protocol", "classic", "")
	count := asked.Int("count", 0, "")
	timeoutS := asked.Float64("timeout-s", 60, "")
	check(asked.Parse(os.Args[2:]))
	tell(map[string]string{"version": "franz-go " + version()})
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*timeoutS*float64(time.Second)))
	defer cancel()
	if os.Args[1] == "consume" {
		consume(ctx, *bootstrap, *topics, *group, *isolation, *protocol, *count)
	} else {
		produce(ctx, *bootstrap, *transactionalID)
	}
}
