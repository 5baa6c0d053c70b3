using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Security;

namespace DistOpt;

/// <summary>
/// Sends requests to whichever node holds the job coordinator: follows a 307 to it, and tries again for a bounded time where nobody answers or
/// the coordinator is not there yet. A request is made anew for every attempt, with the same idempotency key.
/// </summary>
internal sealed class ClusterRequests : IDisposable
{
    /// <summary>Environment variable: seconds for which a request is tried again; 0 = not at all.</summary>
    public const string PatienceVariable = "DISTOPT_PATIENCE";

    /// <summary>A coordinator that died on one machine is back, or another has taken over, within this time.</summary>
    public static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(60);

    private const int RedirectsMax = 5;

    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly HttpClient _http;
    private readonly TimeSpan _patience;
    private readonly TimeProvider _time;
    private readonly Action<string>? _tell;
    private bool _told;
    private string? _refused;

    /// <param name="token">Bearer token; null for none.</param>
    /// <param name="peers">The cluster's own CA; null to trust what the machine trusts.</param>
    /// <param name="patience">How long a request is tried again.</param>
    /// <param name="tell">Is told once, when the first attempt fails, that others follow.</param>
    /// <param name="answerTime">How long an attempt may take; null = longer than a long poll.</param>
    public ClusterRequests(string? token, PeerCertificates? peers, TimeSpan patience, TimeProvider time, Action<string>? tell, TimeSpan? answerTime = null)
    {
        (_patience, _time, _tell) = (patience, time, tell);
        // redirects are followed here: the token must go along
        var handler = new SocketsHttpHandler { ConnectTimeout = ConnectTime, AllowAutoRedirect = false };
        if (peers is not null)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = (sender, certificate, chain, _) =>
            {
                string host = ((SslStream)sender).TargetHostName;
                _refused = peers.Problem(certificate as X509Certificate2, chain?.ChainPolicy.ExtraStore, CertificateUse.Server, host);
                return _refused is null;
            };
        }
        // a long poll ends well before this
        _http = new HttpClient(handler) { Timeout = answerTime ?? TimeSpan.FromSeconds(30) };
        if (!string.IsNullOrEmpty(token)) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <exception cref="SpecException">The variable is no number of seconds.</exception>
    public static TimeSpan Patience(Func<string, string?> environment)
    {
        string? text = environment(PatienceVariable);
        if (string.IsNullOrWhiteSpace(text)) return DefaultPatience;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && seconds is >= 0 and <= 86_400
            ? TimeSpan.FromSeconds(seconds)
            : throw new SpecException(PatienceVariable, $"is '{text}', but must be a number of seconds from 0 to 86400");
    }

    /// <summary>The answer of the node that holds the coordinator, whatever its status.</summary>
    /// <param name="url">Address of a coordinator node.</param>
    /// <param name="make">Makes the request for an address; called for every attempt.</param>
    /// <exception cref="SpecException">Nobody answered in time.</exception>
    public async Task<HttpResponseMessage> SendAsync(string url, Func<Uri, HttpRequestMessage> make, string path, CancellationToken ct)
    {
        long start = _time.GetTimestamp();
        var pause = FirstPause;
        while (true)
        {
            string why;
            try
            {
                var response = await FollowAsync(new Uri(url + path), make, ct).ConfigureAwait(false);
                var asked = response.Headers.RetryAfter?.Delta;
                if (response.StatusCode != HttpStatusCode.ServiceUnavailable || asked is null || Late(asked.Value)) return response;
                why = "it has no job coordinator at the moment";
                if (asked > pause) pause = asked.Value;
                response.Dispose();
            }
            catch (HttpRequestException e) when (e.InnerException is AuthenticationException)
            {
                string cause = _refused ?? e.InnerException.Message;
                throw new SpecException(ClusterClient.CaVariable,
                    $"the cluster at {url} is not trusted: {cause}; set {ClusterClient.CaVariable} to the PEM file of the cluster's CA");
            }
            catch (Exception e) when (e is HttpRequestException || (e is TaskCanceledException && !ct.IsCancellationRequested))
            {
                // a machine that has fallen off the network refuses nothing: time runs out; it may be the one that held the coordinator, and others stand by
                why = e.InnerException?.Message ?? e.Message;
                if (Late(pause))
                    throw new SpecException("", $"the cluster at {url} does not answer ({why}); check {ClusterClient.UrlVariable} and that a node with role coordinator runs there");
            }
            if (!_told) _tell?.Invoke($"the cluster at {url} does not answer ({why}); trying again for {_patience.TotalSeconds:0} s ({PatienceVariable})");
            _told = true;
            await Task.Delay(pause, _time, ct).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }

        bool Late(TimeSpan next) => _time.GetElapsedTime(start) + next > _patience;
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> FollowAsync(Uri address, Func<Uri, HttpRequestMessage> make, CancellationToken ct)
    {
        for (int redirects = 0; ; redirects++)
        {
            using var request = make(address);
            var response = await _http.SendAsync(request, ct).ConfigureAwait(false);
            // nodes may not agree for a moment on who holds the coordinator: the last answer stands
            bool isRedirect = response.StatusCode == HttpStatusCode.TemporaryRedirect && redirects < RedirectsMax;
            if (!isRedirect || response.Headers.Location is not { } location) return response;
            response.Dispose();
            address = new Uri(address, location);
        }
    }
}
