using DistOpt.Core.Datasets;

namespace DistOpt.Cli.Data;

/// <summary>Gets files by HTTP, with the proxy settings of the environment.</summary>
public sealed class HttpDataFetcher : IDataFetcher, IDisposable
{
    private readonly HttpClient _client;
    private readonly TimeSpan _silenceMax;

    /// <param name="connectMax">Longest wait for a connection: a machine without network should come to the next source soon.</param>
    /// <param name="silenceMax">Longest wait for the answer, and then for each piece of the content.</param>
    public HttpDataFetcher(TimeSpan? connectMax = null, TimeSpan? silenceMax = null)
    {
        _silenceMax = silenceMax ?? TimeSpan.FromSeconds(30);
        var handler = new SocketsHttpHandler { ConnectTimeout = connectMax ?? TimeSpan.FromSeconds(10) };
        _client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    public async Task<Stream> OpenAsync(Uri address, CancellationToken cancellationToken)
    {
        HttpResponseMessage? response = null;
        try
        {
            return await WithinAsync(async token =>
            {
                response = await _client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, token);
                if (!response.IsSuccessStatusCode)
                    throw new IOException($"the server answers {(int)response.StatusCode} {response.ReasonPhrase}");
                return (Stream)new Content(this, response, await response.Content.ReadAsStreamAsync(token));
            }, cancellationToken);
        }
        catch
        {
            response?.Dispose();
            throw;
        }
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Runs one wait on the network; its limit and its failures become <see cref="IOException"/>.</summary>
    private async Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_silenceMax);
        try
        {
            return await work(limit.Token);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            // the connect limit shows as a cancellation too
            string waited = error.InnerException is TimeoutException ? "no connection within the time limit"
                : $"nothing came for {_silenceMax.TotalSeconds:0} s";
            throw new IOException(waited, error);
        }
        catch (HttpRequestException error)
        {
            throw new IOException(error.Message, error);
        }
    }

    /// <summary>The body of an answer; disposes the answer with itself.</summary>
    private sealed class Content(HttpDataFetcher owner, HttpResponseMessage response, Stream body) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await owner.WithinAsync(async token => await body.ReadAsync(buffer, token), cancellationToken);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => body.Read(buffer, offset, count);

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) response.Dispose();
            base.Dispose(disposing);
        }
    }
}
