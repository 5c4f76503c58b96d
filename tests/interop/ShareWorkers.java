import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;

import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Two workers of one share group, one after the other, with Apache Kafka's own client.
 *
 * Arguments: bootstrap, topic, group, number of records, acquire mode. The first worker takes some records and leaves.
 * The second accepts those whose number divides by 3, releases those with rest 1 when they come first, and renews those
 * with rest 2 before it rejects them. Printed: a line for each time a record came, with what was done and the delivery
 * count; the time a renewed record stays; how many come when all is done; `end`.
 */
public class ShareWorkers {
    private static final long TIMEOUT_MS = 60_000;

    public static void main(String[] words) throws Exception {
        int records = Integer.parseInt(words[3]);
        long deadline = System.currentTimeMillis() + TIMEOUT_MS;
        try (KafkaShareConsumer<String, String> leaver = worker(words)) {
            boolean hasSome = false;
            while (!hasSome && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<String, String> record : leaver.poll(Duration.ofMillis(500))) {
                    hasSome = true;
                    tell("LEAVE", record);
                }
            }
        }
        try (KafkaShareConsumer<String, String> worker = worker(words)) {
            Set<String> met = new HashSet<>();
            Set<String> done = new HashSet<>();
            while (done.size() < records && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<String, String> record : worker.poll(Duration.ofMillis(500))) {
                    AcknowledgeType type = choice(Integer.parseInt(record.value()) % 3, met.add(record.value()));
                    worker.acknowledge(record, type);
                    tell(type.name(), record);
                    if (type == AcknowledgeType.ACCEPT || type == AcknowledgeType.REJECT) {
                        done.add(record.value());
                    }
                }
                commit(worker);
            }
            System.out.println("lock " + worker.acquisitionLockTimeoutMs().orElse(-1));
            System.out.println("rest " + worker.poll(Duration.ofMillis(1000)).count());
        }
        System.out.println("end");
        System.out.flush();
        System.exit(0);
    }

    private static AcknowledgeType choice(int rest, boolean isNew) {
        if (rest == 2) {
            return isNew ? AcknowledgeType.RENEW : AcknowledgeType.REJECT;
        }
        return rest == 1 && isNew ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT;
    }

    private static void tell(String what, ConsumerRecord<String, String> record) {
        System.out.println(what + " " + record.value() + " " + record.deliveryCount().orElse((short) -1));
    }

    private static void commit(KafkaShareConsumer<String, String> worker) {
        for (Map.Entry<TopicIdPartition, Optional<KafkaException>> done : worker.commitSync().entrySet()) {
            if (done.getValue().isPresent()) {
                throw done.getValue().get();
            }
        }
    }

    private static KafkaShareConsumer<String, String> worker(String[] words) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", words[0]);
        settings.put("group.id", words[2]);
        settings.put("share.acknowledgement.mode", "explicit");
        settings.put("share.acquire.mode", words[4]);
        settings.put("max.poll.records", "7");
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        KafkaShareConsumer<String, String> worker = new KafkaShareConsumer<>(settings);
        worker.subscribe(List.of(words[1]));
        return worker;
    }
}
