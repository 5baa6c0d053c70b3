using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class VisibleDevicesTests
{
    [Theory]
    [InlineData("0,1", "0 1")]
    [InlineData(" 3, 1 ", "3 1")]
    [InlineData("GPU-8932f937,MIG-GPU-1/0/1", "GPU-8932f937 MIG-GPU-1/0/1")]
    [InlineData("0,-1,1", "0")]
    [InlineData("2,,1", "2")]
    [InlineData("1,1,0", "1 0")]
    [InlineData("", "")]
    [InlineData("-1", "")]
    [InlineData("NoDevFiles", "")]
    public void Devices_are_listed_up_to_the_first_that_is_none_each_once(string text, string devices) =>
        Assert.Equal(devices, string.Join(' ', VisibleDevices.Listed(text)));

    [Theory]
    [InlineData(null, null, 3, "0 1 2")]
    [InlineData(2, null, 0, "0 1")]
    [InlineData(1, null, 3, "0")]
    [InlineData(0, null, 3, "")]
    [InlineData(null, "5,7", 8, "5 7")]
    [InlineData(1, "5,7", 8, "5")]
    [InlineData(null, "", 8, "")]
    public void A_node_has_what_it_is_told_else_what_is_listed_else_what_is_installed(int? count, string? listed, int installed, string devices) =>
        Assert.Equal(devices, string.Join(' ', VisibleDevices.Of(count, listed, installed)));

    [Fact]
    public void Processes_of_one_machine_share_its_devices_evenly_and_each_is_one_processes()
    {
        var shares = Enumerable.Range(0, 4).Select(i => string.Join(' ', VisibleDevices.Share(["0", "1", "2", "3", "4", "5"], 1, i, 4)));

        Assert.Equal(["0", "1 2", "3", "4 5"], shares);
        Assert.Equal(["", "9"], Enumerable.Range(0, 2).Select(i => string.Join(' ', VisibleDevices.Share(["9"], 1, i, 2))));
        // a worker's devices are one process's: 3 workers of 2 each find room, which they would not with 3 devices in each process
        Assert.Equal(["0 1", "2 3 4 5"], Enumerable.Range(0, 2).Select(i => string.Join(' ', VisibleDevices.Share(["0", "1", "2", "3", "4", "5"], 2, i, 2))));
    }
}
