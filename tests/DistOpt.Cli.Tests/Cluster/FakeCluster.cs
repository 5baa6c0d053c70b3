using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DistOpt.Cli.Tests.Cluster;

/// <summary>A tiny HTTP server on a free port of this machine: one answer for each path.</summary>
internal sealed class FakeCluster : IDisposable
{
    private volatile bool _isStopped;
    private readonly HttpListener _listener = new();
    private readonly Func<HttpListenerRequest, string, (int Status, string Type, string Body)> _answer;
    private readonly Task _loop;

    public FakeCluster(Func<HttpListenerRequest, string, (int Status, string Type, string Body)> answer, int? port = null)
    {
        _answer = answer;
        Url = $"http://127.0.0.1:{port ?? FreePort()}";
        _listener.Prefixes.Add(Url + "/");
        _listener.Start();
        _loop = LoopAsync();
    }

    public string Url { get; }

    /// <summary>Headers of every answer.</summary>
    public Dictionary<string, string> Headers { get; } = [];

    /// <summary>Method, path with query, and body of each request so far.</summary>
    public List<string> Requests { get; } = [];

    public static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    public void Dispose()
    {
        // the listener itself may still say that it listens when its last wait has ended
        _isStopped = true;
        _listener.Stop();
        _loop.GetAwaiter().GetResult();
    }

    private async Task LoopAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception e) when (_isStopped && e is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                return; // stopped, perhaps between two requests
            }
            string body = await new StreamReader(context.Request.InputStream).ReadToEndAsync();
            lock (Requests) Requests.Add($"{context.Request.HttpMethod} {context.Request.RawUrl}");
            var (status, type, text) = _answer(context.Request, body);
            context.Response.StatusCode = status;
            context.Response.ContentType = type;
            foreach (var (name, value) in Headers) context.Response.Headers[name] = value;
            context.Response.Close(Encoding.UTF8.GetBytes(text), willBlock: true);
        }
    }
}
