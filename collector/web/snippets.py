"""What goes into an app to have its pin failures reported: shortened from docs/clients.md, with the URL
filled in."""

from __future__ import annotations

from dataclasses import dataclass

_TRUSTKIT_IOS = """\
TrustKit.initSharedInstance(withConfiguration: [
    kTSKPinnedDomains: ["HOST": [
        kTSKIncludeSubdomains: true,
        kTSKEnforcePinning: false,            // report only, until this page is quiet
        kTSKDisableDefaultReportUri: true,    // else the SDK's makers get the reports too
        kTSKReportUris: ["URL"],
        kTSKPublicKeyHashes: ["<SPKI SHA-256 of a key in use>", "<SPKI SHA-256 of a backup key>"],
    ]]
])
"""
_TRUSTKIT_ANDROID = """\
<!-- res/xml/network_security_config.xml -->
<domain-config>
  <domain includeSubdomains="true">HOST</domain>
  <pin-set>
    <pin digest="SHA-256">SPKI SHA-256 of a key in use</pin>
    <pin digest="SHA-256">SPKI SHA-256 of a backup key</pin>
  </pin-set>
  <trustkit-config enforcePinning="false" disableDefaultReportUri="true">
    <report-uri>URL</report-uri>
  </trustkit-config>
</domain-config>
"""
_OKHTTP = """\
// with docs/okhttp/PinfallReporter.java, one file to copy into the app
SharedPreferences kept = context.getSharedPreferences("pinfall", Context.MODE_PRIVATE);
PinfallReporter reporter = PinfallReporter.to("URL")
    .app(BuildConfig.APPLICATION_ID, BuildConfig.VERSION_NAME)
    .os("ANDROID", Build.VERSION.RELEASE)
    .store(new PinfallReporter.Store() {
      public String get(String key) { return kept.getString(key, null); }
      public void put(String key, String value) { kept.edit().putString(key, value).apply(); }
    })
    .build();
OkHttpClient client = new OkHttpClient.Builder()
    .certificatePinner(pins)
    .eventListenerFactory(reporter)
    .build();
"""
_CURL = """\
curl -sS --max-time 3 -H 'Content-Type: application/json' --data @- 'URL' <<'END'
{"schema": "pin-report/1", "host": "HOST", "outcome": "pin_mismatch", "enforced": false,
 "pins": {"kind": "spki-sha256", "expected": ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]},
 "app": {"id": "com.example.app", "version": "1.0"}, "os": {"name": "linux"}}
END
"""
HOST = "api.example.com"  # where a project has none yet


@dataclass(frozen=True, slots=True)
class Snippet:
    name: str
    language: str
    text: str


def snippets(url: str, host: str | None) -> list[Snippet]:
    """url: where an app reports to. host: what it pins."""
    told = (
        ("TrustKit on iOS", "Swift", _TRUSTKIT_IOS),
        ("TrustKit on Android", "XML", _TRUSTKIT_ANDROID),
        ("OkHttp", "Java", _OKHTTP),
        ("curl, to try it", "shell", _CURL),
    )
    return [
        Snippet(name, language, text.replace("HOST", host or HOST).replace("URL", url))
        for name, language, text in told
    ]
