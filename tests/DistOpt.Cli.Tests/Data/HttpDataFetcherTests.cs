using System.Net;
using System.Net.Sockets;
using System.Text;
using DistOpt.Cli.Data;

namespace DistOpt.Cli.Tests.Data;

public sealed class HttpDataFetcherTests : IDisposable
{
    private readonly TcpListener _server = new(IPAddress.Loopback, 0);

    public HttpDataFetcherTests() => _server.Start();

    private Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_server.LocalEndpoint).Port}/f.gz");

    public void Dispose() => _server.Dispose();

    /// <summary>Takes one request and answers with this text; then waits for the client to go unless told to close.</summary>
    private async Task Answer(string answer, bool close)
    {
        using var client = await _server.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        var stream = client.GetStream();
        var request = new byte[4096];
        await stream.ReadAtLeastAsync(request, 1, cancellationToken: TestContext.Current.CancellationToken);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), TestContext.Current.CancellationToken);
        if (close) return;
        try
        {
            while (await stream.ReadAsync(request, TestContext.Current.CancellationToken) > 0) { }
        }
        catch (IOException)
        {
            // the client reset the connection: it has gone, which is what is waited for
        }
    }

    [Fact]
    public async Task The_content_of_an_answer_is_read()
    {
        using var fetcher = new HttpDataFetcher();
        var answer = Answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", close: true);
        await using var stream = await fetcher.OpenAsync(Address, TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream);
        Assert.Equal("hello", await reader.ReadToEndAsync(TestContext.Current.CancellationToken));
        await answer;
    }

    [Fact]
    public async Task A_refusal_is_one_line_with_the_status()
    {
        using var fetcher = new HttpDataFetcher();
        var answer = Answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", close: true);
        var error = await Assert.ThrowsAsync<IOException>(() => fetcher.OpenAsync(Address, TestContext.Current.CancellationToken));
        Assert.Equal("the server answers 403 Forbidden", error.Message);
        await answer;
    }

    [Fact]
    public async Task A_closed_port_is_an_IOException()
    {
        using var fetcher = new HttpDataFetcher();
        var address = Address;
        _server.Stop();
        await Assert.ThrowsAsync<IOException>(() => fetcher.OpenAsync(address, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_server_that_falls_silent_is_given_up()
    {
        using var fetcher = new HttpDataFetcher(silenceMax: TimeSpan.FromMilliseconds(200));
        var answer = Answer("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", close: false);
        await using (var stream = await fetcher.OpenAsync(Address, TestContext.Current.CancellationToken))
        {
            var error = await Assert.ThrowsAsync<IOException>(async () =>
            {
                var buffer = new byte[100];
                while (await stream.ReadAsync(buffer, TestContext.Current.CancellationToken) > 0) { }
            });
            Assert.StartsWith("nothing came for", error.Message, StringComparison.Ordinal);
        }
        await answer;
    }

    [Fact]
    public async Task A_torn_answer_is_an_IOException()
    {
        using var fetcher = new HttpDataFetcher();
        var answer = Answer("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", close: true);
        await using var stream = await fetcher.OpenAsync(Address, TestContext.Current.CancellationToken);
        await Assert.ThrowsAnyAsync<IOException>(async () => await stream.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken));
        await answer;
    }

    [Fact]
    public async Task The_users_cancellation_stays_a_cancellation()
    {
        using var fetcher = new HttpDataFetcher();
        using var cancellation = new CancellationTokenSource();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fetcher.OpenAsync(Address, cancellation.Token));
    }
}
