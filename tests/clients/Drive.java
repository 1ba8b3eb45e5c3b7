// SPDX-License-Identifier: Apache-2.0

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Proxy;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.CertificatePinner;
import okhttp3.Interceptor;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

/**
 * An app for the tests: does what its arguments say, in turn, and prints how each call ended.
 *
 * <pre>
 *   root FILE       trust only this authority            (before the first get)
 *   pin HOST PIN    pin a host                           (before the first get)
 *   wrap            an interceptor wraps what it sees    (before the first get)
 *   store FILE      a reporter that keeps its state in a file
 *   memory INSTALL  a reporter with this install id, and no file
 *   odd FILE        as store, of an app version that is hard to write as JSON
 *   broken          a reporter whose store always fails
 *   ingest URL      where reporters made after it report to
 *   clock MS        what the reporters' clock says
 *   on, off, rate X
 *   get URL         a call on a connection of its own; prints the status, or the exception
 *   reuse URL       two calls on one connection of their own
 *   flush           until all that is to be sent was tried
 * </pre>
 */
public final class Drive {
  private static final String ODD = "\"\\\n\u0001 é \uD83D\uDE00 \uD83D \uDE00";
  private static volatile long now = System.currentTimeMillis();

  private final OkHttpClient.Builder building =
      new OkHttpClient.Builder()
          .proxy(Proxy.NO_PROXY)
          .callTimeout(60, TimeUnit.SECONDS)
          .readTimeout(60, TimeUnit.SECONDS)
          .connectTimeout(60, TimeUnit.SECONDS)
          .dns(host -> Collections.singletonList(
              InetAddress.getByAddress(host, new byte[] {127, 0, 0, 1})));
  private final CertificatePinner.Builder pins = new CertificatePinner.Builder();
  private String ingest;
  private double rate = 1;
  private PinfallReporter reporter;

  public static void main(String[] arguments) throws Exception {
    new Drive().run(arguments);
  }

  private void run(String[] arguments) throws Exception {
    int next = 0;
    while (next < arguments.length) {
      String step = arguments[next++];
      if (step.equals("root")) {
        trust(arguments[next++]);
      } else if (step.equals("pin")) {
        pins.add(arguments[next++], arguments[next++]);
      } else if (step.equals("wrap")) {
        building.addInterceptor(Drive::wrapping);
      } else if (step.equals("store")) {
        report("8.24.1", PinfallReporter.file(new File(arguments[next++])));
      } else if (step.equals("memory")) {
        report("8.24.1", new Memory(arguments[next++]));
      } else if (step.equals("odd")) {
        report(ODD, PinfallReporter.file(new File(arguments[next++])));
      } else if (step.equals("broken")) {
        report("8.24.1", new Broken());
      } else if (step.equals("ingest")) {
        ingest = arguments[next++];
      } else if (step.equals("clock")) {
        now = Long.parseLong(arguments[next++]);
      } else if (step.equals("on") || step.equals("off")) {
        reporter.setEnabled(step.equals("on"));
      } else if (step.equals("rate")) {
        rate = Double.parseDouble(arguments[next++]);
        if (reporter != null) reporter.setSampleRate(rate);
      } else if (step.equals("get")) {
        get(arguments[next++], 1);
      } else if (step.equals("reuse")) {
        get(arguments[next++], 2);
      } else if (step.equals("flush")) {
        reporter.flush().get(120, TimeUnit.SECONDS);
      } else {
        throw new IllegalArgumentException(step);
      }
    }
  }

  private void report(String version, PinfallReporter.Store store) {
    reporter =
        PinfallReporter.to(ingest)
            .app("com.example.wallet", version)
            .os("ANDROID", "14")
            .store(store)
            .clock(() -> now)
            .build();
    reporter.setSampleRate(rate);
  }

  private void get(String url, int times) {
    OkHttpClient client =
        building.certificatePinner(pins.build()).eventListenerFactory(reporter).build();
    for (int i = 0; i < times; i++) System.out.println(get(client, url));
    client.connectionPool().evictAll();
  }

  private static String get(OkHttpClient client, String url) {
    try (Response response = client.newCall(new Request.Builder().url(url).build()).execute()) {
      response.body().bytes(); // to the end, else the connection is not reused
      return String.valueOf(response.code());
    } catch (Exception e) {
      return e.getClass().getSimpleName() + ": " + String.valueOf(e.getMessage()).split("\n")[0];
    }
  }

  private static Response wrapping(Interceptor.Chain chain) throws IOException {
    try {
      return chain.proceed(chain.request());
    } catch (IOException e) {
      IOException outer = new IOException("wrapped", new IOException("again", e));
      e.addSuppressed(outer); // a circle
      throw outer;
    }
  }

  private void trust(String file) throws Exception {
    KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
    roots.load(null, null);
    try (InputStream in = new FileInputStream(file)) {
      CertificateFactory certificates = CertificateFactory.getInstance("X.509");
      roots.setCertificateEntry("root", certificates.generateCertificate(in));
    }
    TrustManagerFactory factory =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(roots);
    X509TrustManager manager = (X509TrustManager) factory.getTrustManagers()[0];
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, new TrustManager[] {manager}, null);
    building.sslSocketFactory(context.getSocketFactory(), manager);
  }

  private static final class Memory implements PinfallReporter.Store {
    private final Map<String, String> kept = new HashMap<>();

    Memory(String install) {
      kept.put("install", install);
    }

    @Override
    public String get(String key) {
      return kept.get(key);
    }

    @Override
    public void put(String key, String value) {
      kept.put(key, value);
    }
  }

  private static final class Broken implements PinfallReporter.Store {
    @Override
    public String get(String key) {
      throw new IllegalStateException("broken");
    }

    @Override
    public void put(String key, String value) {
      throw new IllegalStateException("broken");
    }
  }
}
