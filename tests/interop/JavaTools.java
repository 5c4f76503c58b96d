import java.io.ByteArrayOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's command-line tools one after the other in one JVM, since most of what each takes is its start.
 *
 * A line of stdin is a main class and its arguments, separated by tabs. For each, stdout gets a line with the exit code
 * and the number of bytes the tool printed (on stdout and stderr together), and then these bytes.
 */
public class JavaTools {
    private static volatile Integer exitCode;
    private static volatile byte[] said;

    /** Unwinds a tool that has asked for its end; some catch it, and what they say then does not count. */
    private static final class Exited extends Error {
    }

    private static final class Switch extends OutputStream {
        ByteArrayOutputStream to = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int b) {
            to.write(b);
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int count) {
            to.write(bytes, from, count);
        }

        synchronized byte[] take() {
            byte[] taken = to.toByteArray();
            to = new ByteArrayOutputStream();
            return taken;
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = System.out;
        Switch caught = new Switch();
        PrintStream printed = new PrintStream(caught, true, "UTF-8");
        System.setOut(printed);
        System.setErr(printed);
        Exit.Procedure end = (code, message) -> {
            printed.flush();
            if (exitCode == null) {
                exitCode = code;
                said = caught.take();
            }
            throw new Exited();
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split("\t");
            exitCode = null;
            run(words[0], Arrays.copyOfRange(words, 1, words.length));
            printed.flush();
            byte[] rest = caught.take();
            if (exitCode == null) {
                exitCode = 0;
                said = rest;
            }
            out.println(exitCode + " " + said.length);
            out.write(said);
            out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void run(String tool, String[] arguments) throws Exception {
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException error) {
            if (!(error.getCause() instanceof Exited)) {
                error.getCause().printStackTrace();
                exitCode = 1;
                said = error.getCause().toString().getBytes(StandardCharsets.UTF_8);
            }
        }
    }
}
