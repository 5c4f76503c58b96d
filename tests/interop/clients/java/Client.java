import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** The matrix's client on Apache Kafka's own, in Java. What it does is told in ../python/contract.py. */
public class Client {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] words) throws Exception {
        Map<String, String> asked = new HashMap<>();
        for (int at = 1; at < words.length; at += 2) {
            asked.put(words[at], words[at + 1]);
        }
        OUT.println(JSON.createObjectNode().put("version", "kafka-clients " + AppInfoParser.getVersion()));
        if (words[0].equals("consume")) {
            consume(asked);
        } else {
            produce(asked);
        }
        OUT.flush();
    }

    private static void produce(Map<String, String> asked) throws Exception {
        String transactionalId = asked.get("--transactional-id");
        Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
        Set<String> open = new HashSet<>();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode step = JSON.readTree(line);
            String compression = step.get("compression").asText();
            KafkaProducer<byte[], byte[]> producer = producers.get(compression);
            if (producer == null) {
                Map<String, Object> settings = new HashMap<>();
                settings.put("bootstrap.servers", asked.get("--bootstrap"));
                settings.put("compression.type", compression);
                settings.put("enable.idempotence", true);
                settings.put("linger.ms", 5);
                if (transactionalId != null) {
                    settings.put("transactional.id", transactionalId + "-" + compression);
                }
                producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
                producers.put(compression, producer);
                if (transactionalId != null) {
                    producer.initTransactions();
                }
            }
            if (step.has("end")) {
                producer.flush();
                if (step.get("end").asText().equals("commit")) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
                open.remove(compression);
                continue;
            }
            if (transactionalId != null && open.add(compression)) {
                producer.beginTransaction();
            }
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
                step.get("topic").asText(), step.get("partition").asInt(), step.get("timestamp").asLong(),
                bytes(step.get("key")), bytes(step.get("value")));
            for (JsonNode header : step.get("headers")) {
                record.headers().add(header.get(0).asText(), bytes(header.get(1)));
            }
            sent.add(producer.send(record));
        }
        for (Future<RecordMetadata> one : sent) {
            OUT.println(JSON.createObjectNode().put("offset", one.get().offset()));
        }
        for (KafkaProducer<byte[], byte[]> producer : producers.values()) {
            producer.close();
        }
    }

    private static void consume(Map<String, String> asked) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", asked.get("--bootstrap"));
        settings.put("group.id", asked.get("--group"));
        settings.put("group.protocol", asked.get("--protocol"));
        settings.put("isolation.level", asked.get("--isolation"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", false);
        int expected = Integer.parseInt(asked.get("--count"));
        long deadline = System.nanoTime() + (long) (Double.parseDouble(asked.get("--timeout-s")) * 1e9);
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(Arrays.asList(asked.get("--topics").split(",")));
            for (int count = 0; count < expected; ) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(count + " records came, " + expected + " are expected");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    tell(record);
                    count++;
                }
            }
            consumer.commitSync();
        }
    }

    private static void tell(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode told = JSON.createObjectNode();
        told.put("topic", record.topic()).put("partition", record.partition()).put("offset", record.offset());
        told.put("timestamp", record.timestamp()).put("key", record.key()).put("value", record.value());
        ArrayNode headers = told.putArray("headers");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(header.value());
        }
        OUT.println(told);
    }

    private static byte[] bytes(JsonNode text) throws Exception {
        return text.isNull() ? null : text.binaryValue();
    }
}
