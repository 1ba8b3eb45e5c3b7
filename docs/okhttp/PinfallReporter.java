// SPDX-License-Identifier: Apache-2.0

import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigInteger;
import java.nio.charset.Charset;
import java.security.MessageDigest;
import java.text.SimpleDateFormat;
import java.util.ArrayDeque;
import java.util.Date;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TimeZone;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLPeerUnverifiedException;
import okhttp3.Call;
import okhttp3.Connection;
import okhttp3.ConnectionPool;
import okhttp3.EventListener;
import okhttp3.Handshake;
import okhttp3.HttpUrl;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;

/**
 * Tells a Pinfall collector of the failures of OkHttp's {@code CertificatePinner}, and how many
 * connections did not fail. One file for OkHttp 3.13 to 5.x on Java 8 and Android 5: copy it into
 * the app, and give it the app's package.
 *
 * <pre>{@code
 * SharedPreferences kept = context.getSharedPreferences("pinfall", Context.MODE_PRIVATE);
 * PinfallReporter reporter = PinfallReporter.to("https://reports.example.net/r/KEY")
 *     .app(BuildConfig.APPLICATION_ID, BuildConfig.VERSION_NAME)
 *     .os("ANDROID", Build.VERSION.RELEASE)
 *     .store(new PinfallReporter.Store() {
 *       public String get(String key) { return kept.getString(key, null); }
 *       public void put(String key, String value) { kept.edit().putString(key, value).apply(); }
 *     })
 *     .build();
 * OkHttpClient client = new OkHttpClient.Builder()
 *     .certificatePinner(pins)
 *     .eventListenerFactory(reporter)
 *     .build();
 * }</pre>
 *
 * <p>Build one for the whole process: two would not know what the other has sent. Only {@code
 * build()} throws; a failure of reporting itself is silent, whatever it is.
 *
 * <p>A client has one listener factory. An app that has its own calls {@link #create} in it, and
 * passes {@code secureConnectEnd}, {@code connectionAcquired} and {@code callFailed} on to what
 * that returns; in OkHttp 5.5 {@code own.plus(reporter.create(call))} does it. Wrapping is
 * not done here, because the versions' listeners have different methods.
 *
 * <p>Not seen: WebSockets, for which OkHttp takes listeners away; failures that an interceptor of
 * the app answers with a response of its own; and, in OkHttp 5, those of one address of a host
 * whose next address was good.
 */
public final class PinfallReporter implements EventListener.Factory {
  /** Keeps strings across launches. Called on the reporter's own thread only; may block. */
  public interface Store {
    /** The value that was put last, or null. */
    String get(String key);

    void put(String key, String value);
  }

  /** Milliseconds since 1970, as {@link System#currentTimeMillis}. */
  public interface Clock {
    long now();
  }

  private static final String FAILURE = "Certificate pinning failure!";
  private static final String PINNED = "\n  Pinned certificates for ";
  private static final Charset UTF_8 = Charset.forName("UTF-8");
  private static final MediaType JSON = MediaType.get("application/json");
  private static final long MINUTE = 60_000;
  private static final long HOUR = 60 * MINUTE;
  private static final long DAY = 24 * HOUR;
  private static final int WORST_MESSAGE = 32 * 1024;
  private static final int WORST_CAUSES = 32;
  private static final int WORST_HOSTS = 50;
  private static final int WORST_REMEMBERED = 64;
  private static final int WORST_WAITING = 64;

  private final HttpUrl ingest;
  private final String appId;
  private final String appVersion;
  private final String platform;
  private final String osVersion;
  private final Store store;
  private final Clock clock;
  private volatile boolean enabled = true;
  private volatile double sampleRate = 1;

  private final Object lock = new Object(); // held for a few instructions, never for I/O
  private Map<String, int[]> counts = new LinkedHashMap<>(); // host: {successes, pin failures}
  private long countedSince;
  private final Set<String> waiting = new HashSet<>(); // hosts and chains of reports to come

  // What blocks is done on this thread, one thing at a time, so the store needs no lock. It is a
  // daemon and ends when idle, so it keeps no process alive.
  private final ThreadPoolExecutor worker =
      new ThreadPoolExecutor(
          1, 1, 10, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), PinfallReporter::thread);
  private OkHttpClient client;

  private PinfallReporter(Builder builder) {
    ingest = HttpUrl.get(builder.ingest);
    appId = builder.appId;
    appVersion = builder.appVersion;
    platform = builder.platform;
    osVersion = builder.osVersion;
    store = builder.store;
    clock = builder.clock;
    worker.allowCoreThreadTimeOut(true);
  }

  /** {@code ingest}: the address with the key in it, as the collector told it. */
  public static Builder to(String ingest) {
    return new Builder(ingest);
  }

  public static final class Builder {
    private final String ingest;
    private String appId;
    private String appVersion;
    private String platform = "ANDROID";
    private String osVersion;
    private Store store;
    private Clock clock = System::currentTimeMillis;

    private Builder(String ingest) {
      this.ingest = ingest;
    }

    public Builder app(String id, String version) {
      appId = id;
      appVersion = version;
      return this;
    }

    /** {@code version} may be null. */
    public Builder os(String platform, String version) {
      this.platform = platform;
      osVersion = version;
      return this;
    }

    public Builder store(Store store) {
      this.store = store;
      return this;
    }

    public Builder clock(Clock clock) {
      this.clock = clock;
      return this;
    }

    /** Throws IllegalArgumentException for no URL, no app or no store: seen at the first start. */
    public PinfallReporter build() {
      if (ingest == null || appId == null || appVersion == null || store == null) {
        throw new IllegalArgumentException("an ingest URL, an app and a store are needed");
      }
      return new PinfallReporter(this);
    }
  }

  /** The remote off switch: what the app's remote configuration says. */
  public void setEnabled(boolean enabled) {
    this.enabled = enabled;
  }

  /** The share of installs, 0 to 1, that report today. */
  public void setSampleRate(double rate) {
    sampleRate = Math.max(0, Math.min(1, rate));
  }

  @Override
  public EventListener create(Call call) {
    return new Watcher();
  }

  /** One a call: a redirect can connect to a host that is not the request's. */
  private final class Watcher extends EventListener {
    private volatile boolean shookHands;

    // Not called where the pinner throws: the pinner runs before it.
    @Override
    public void secureConnectEnd(Call call, Handshake handshake) {
      shookHands = handshake != null;
    }

    // Called for reused connections too, which are no new evidence; it alone names the host.
    @Override
    public void connectionAcquired(Call call, Connection connection) {
      if (!shookHands) return;
      shookHands = false;
      quietly(() -> count(connection.route().address().url().host(), 0));
    }

    // Not connectFailed, which comes once for every address of the host.
    @Override
    public void callFailed(Call call, IOException failure) {
      quietly(() -> failed(call.request().url(), failure));
    }
  }

  private void failed(HttpUrl url, IOException failure) {
    String message = pinningFailure(failure);
    if (message == null || !enabled) return;
    long at = clock.now();
    String pinned = pinnedHost(message);
    String host = pinned == null ? url.host() : pinned;
    Integer port = host.equals(url.host()) ? url.port() : null; // after a redirect: not known
    count(host, 1);
    String what = host + "\n" + chain(message);
    synchronized (lock) {
      // An app that calls again and again must not queue a report each time.
      if (waiting.size() == WORST_WAITING || !waiting.add(what)) return;
    }
    worker.execute(
        () -> {
          quietly(() -> report(at, host, port, what, message));
          synchronized (lock) {
            waiting.remove(what);
          }
        });
  }

  /**
   * The pinner's message, or null. The class is not enough ("Hostname x not verified" has it too).
   * Android API 37 and some interceptors wrap it; other routes' failures are suppressed ones.
   */
  private static String pinningFailure(Throwable failure) {
    Deque<Throwable> waiting = new ArrayDeque<>();
    waiting.add(failure);
    for (int seen = 0; seen < WORST_CAUSES && !waiting.isEmpty(); seen++) { // may be a circle
      Throwable next = waiting.remove();
      String message = next.getMessage();
      boolean unverified = next instanceof SSLPeerUnverifiedException;
      if (unverified && message != null && message.startsWith(FAILURE)) return message;
      if (next.getCause() != null) waiting.add(next.getCause());
      for (Throwable suppressed : next.getSuppressed()) waiting.add(suppressed);
    }
    return null;
  }

  /**
   * The host that the pinner checked, or null. The last marker counts: subjects stand before it,
   * and are chosen by whoever made the certificates; after it come only the app's own pins.
   */
  private static String pinnedHost(String message) {
    int marker = message.lastIndexOf(PINNED);
    if (marker < 0) return null;
    String host = message.substring(marker + PINNED.length()).split("\n", 2)[0];
    return host.endsWith(":") && host.length() > 1 ? host.substring(0, host.length() - 1) : null;
  }

  private static String chain(String message) {
    int marker = message.lastIndexOf(PINNED);
    return marker < 0 ? message : message.substring(0, marker);
  }

  private void report(long at, String host, Integer port, String what, String message)
      throws Exception {
    double rate = sampleRate;
    if (!enabled || !sampled(rate, at)) return;
    String key = sha256(what).toString(16);
    if (remembered(at).containsKey(key)) return;
    // Before it is sent: where the store fails, nothing is sent, else every failure would be. And
    // where sending fails, the app's next failure may report it, but not at once: while it is
    // intercepted, an install often cannot reach the collector either.
    remember(at, key, at + 10 * MINUTE);
    StringBuilder json =
        object(
            "schema", "pin-report/1",
            // The same one if it is sent again today: the first may have arrived, unanswered.
            "event_id", uuid(install() + key + at / DAY),
            "observed_at", utc(at),
            "host", host,
            "port", port,
            "outcome", "pin_mismatch",
            "enforced", true,
            "error",
                object(
                    "type", SSLPeerUnverifiedException.class.getName(),
                    "message", message.substring(0, Math.min(message.length(), WORST_MESSAGE))),
            "app", object("id", appId, "version", appVersion),
            "os", object("name", platform, "version", osVersion),
            "sdk", object("name", "pinfall-okhttp", "version", "1"),
            "install_id", install(),
            "weight", 1 / rate);
    if (post(ingest, json)) remember(at, key, at + DAY);
  }

  /**
   * Whether this install reports today. Drawn for the install and day, not for each report: an app
   * that fails a hundred times would be drawn a hundred times, and weigh too much.
   */
  private boolean sampled(double rate, long at) throws Exception {
    long drawn = sha256(install() + at / DAY).intValue() & 0xffffffffL;
    return drawn < rate * 0x1p32;
  }

  private void count(String host, int which) {
    if (!enabled) return;
    long now = clock.now();
    synchronized (lock) {
      boolean setBack = now < countedSince;
      if (setBack || now - countedSince >= HOUR) flush();
      if (counts.isEmpty()) countedSince = now;
      if (!counts.containsKey(host) && counts.size() == WORST_HOSTS) return;
      if (!counts.containsKey(host)) counts.put(host, new int[2]);
      counts.get(host)[which]++;
    }
  }

  /**
   * Sends the connections that were counted since the last time; it also happens by itself, once
   * an hour, at a connection. Returns at once. The future is done when all that was to be sent
   * before it was tried: for a JVM that is about to end.
   */
  public Future<Void> flush() {
    Map<String, int[]> counted;
    long since;
    long now = clock.now();
    synchronized (lock) {
      counted = counts;
      since = countedSince;
      counts = new LinkedHashMap<>();
    }
    FutureTask<Void> task =
        new FutureTask<>(() -> quietly(() -> sendCounts(counted, since, now)), null);
    try {
      worker.execute(task);
    } catch (Throwable noThread) {
      task.cancel(false);
    }
    return task;
  }

  private void sendCounts(Map<String, int[]> counted, long since, long now) throws Exception {
    // The same draw as for reports, so that both speak of the same installs.
    if (!enabled || counted.isEmpty() || !sampled(sampleRate, since)) return;
    // A window is an hour at most: what came later began the next one.
    long until = Math.max(since, Math.min(now, since + HOUR));
    StringBuilder json = new StringBuilder();
    for (Map.Entry<String, int[]> entry : counted.entrySet()) {
      json.append(json.length() == 0 ? '[' : ',')
          .append(
              object(
                  "id", UUID.randomUUID().toString(),
                  "host", entry.getKey(),
                  "app", appId,
                  "app_version", appVersion,
                  "platform", platform,
                  "install_id", install(),
                  "window_start", utc(since),
                  "window_end", utc(until),
                  "successes", entry.getValue()[0],
                  "pin_failures", entry.getValue()[1]));
    }
    post(ingest.newBuilder().addPathSegment("connections").build(), json.append(']'));
  }

  /** Whether the collector has decided: it took it, or never will. */
  private boolean post(HttpUrl url, CharSequence json) throws IOException {
    RequestBody body = RequestBody.create(JSON, json.toString().getBytes(UTF_8));
    Request request = new Request.Builder().url(url).post(body).build();
    try (Response response = client().newCall(request).execute()) {
      int code = response.code();
      return code / 100 == 2 || (code / 100 == 4 && code != 429);
    }
  }

  // Not the app's client: its pins may be what is wrong, and its interceptors add what is none of
  // the collector's business. Made late, because making one reads the system's trust store.
  private OkHttpClient client() {
    if (client == null) {
      client =
          new OkHttpClient.Builder()
              .connectTimeout(3, TimeUnit.SECONDS)
              .readTimeout(3, TimeUnit.SECONDS)
              .writeTimeout(3, TimeUnit.SECONDS)
              .callTimeout(10, TimeUnit.SECONDS) // over all, names' resolution too
              .retryOnConnectionFailure(false)
              .followRedirects(false)
              .connectionPool(new ConnectionPool(0, 1, TimeUnit.SECONDS)) // the next is hours away
              .build();
    }
    return client;
  }

  private String install() {
    String install = store.get("install");
    if (install == null) {
      install = UUID.randomUUID().toString();
      store.put("install", install);
    }
    return install;
  }

  /** What is not to be sent, and until when, oldest first. */
  private Map<String, Long> remembered(long now) {
    Map<String, Long> remembered = new LinkedHashMap<>();
    String text = store.get("sent");
    for (String entry : text == null ? new String[0] : text.split(" ")) {
      String[] parts = entry.split("=", 2);
      boolean whole = parts.length == 2 && parts[1].matches("[0-9]{1,18}");
      long until = whole ? Long.parseLong(parts[1]) : 0;
      // Further away than a day: written while the clock was wrong.
      if (until > now && until <= now + DAY) remembered.put(parts[0], until);
    }
    return remembered;
  }

  private void remember(long now, String key, long until) {
    Map<String, Long> remembered = remembered(now);
    remembered.remove(key); // to the end
    remembered.put(key, until);
    StringBuilder text = new StringBuilder();
    int surplus = remembered.size() - WORST_REMEMBERED;
    for (Map.Entry<String, Long> entry : remembered.entrySet()) {
      if (surplus-- > 0) continue;
      text.append(text.length() == 0 ? "" : " ");
      text.append(entry.getKey()).append('=').append(entry.getValue());
    }
    store.put("sent", text.toString());
  }

  private static BigInteger sha256(String text) throws Exception {
    return new BigInteger(1, MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8)));
  }

  private static String uuid(String text) {
    return UUID.nameUUIDFromBytes(text.getBytes(UTF_8)).toString();
  }

  // java.time is not in Android before 8. The locale: some have other digits and other years.
  private static String utc(long at) {
    SimpleDateFormat format = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.US);
    format.setTimeZone(TimeZone.getTimeZone("UTC"));
    return format.format(new Date(at));
  }

  /** A JSON object of names and values in turn; a null is left out, a StringBuilder is JSON. */
  private static StringBuilder object(Object... pairs) {
    StringBuilder json = new StringBuilder();
    for (int i = 0; i < pairs.length; i += 2) {
      Object value = pairs[i + 1];
      if (value == null) continue;
      json.append(json.length() == 0 ? '{' : ',');
      quote(json, (String) pairs[i]);
      json.append(':');
      if (value instanceof String) quote(json, (String) value);
      else json.append(value);
    }
    return json.append('}');
  }

  private static void quote(StringBuilder json, String text) {
    json.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean paired =
          Character.isHighSurrogate(c)
              ? i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))
              : i > 0 && Character.isHighSurrogate(text.charAt(i - 1));
      if (c == '"' || c == '\\') {
        json.append('\\').append(c);
      } else if (c < ' ' || (Character.isSurrogate(c) && !paired)) { // UTF-8 has no lone surrogate
        json.append("\\u").append(Integer.toHexString(c | 0x10000).substring(1));
      } else {
        json.append(c);
      }
    }
    json.append('"');
  }

  private interface Task {
    void run() throws Exception;
  }

  // Errors too: an app must not end because its OkHttp lacks a method that this file calls.
  private static void quietly(Task task) {
    try {
      task.run();
    } catch (Throwable reportingFailed) {
      // There is nobody to tell.
    }
  }

  private static Thread thread(Runnable work) {
    Thread thread = new Thread(work, "pinfall");
    thread.setDaemon(true);
    return thread;
  }

  /** A store for a JVM. Two processes may share the file; at worst both report the same. */
  public static Store file(File file) {
    return new Store() {
      @Override
      public String get(String key) {
        return read().getProperty(key);
      }

      @Override
      public void put(String key, String value) {
        Properties kept = read();
        kept.setProperty(key, value);
        File next = new File(file.getPath() + ".next"); // a crash leaves the old one whole
        unchecked(
            () -> {
              try (OutputStream out = new FileOutputStream(next)) {
                kept.store(out, null);
              }
              // Windows renames to no name that is taken.
              if (!next.renameTo(file) && !(file.delete() && next.renameTo(file))) {
                throw new IOException("cannot write " + file);
              }
              return null;
            });
      }

      private Properties read() {
        return unchecked(
            () -> {
              Properties kept = new Properties();
              if (!file.exists()) return kept;
              try (InputStream in = new FileInputStream(file)) {
                kept.load(in);
              }
              return kept;
            });
      }
    };
  }

  private static <T> T unchecked(Callable<T> work) {
    try {
      return work.call();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
